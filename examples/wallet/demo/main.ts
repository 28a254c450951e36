import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isSupported, NEEDED } from './node-version.js'

// Whatever needs more than an old Node has is imported when the version is known.

async function main(): Promise<void> {
  if (!isSupported(process.versions.node))
    throw new Error(`${NEEDED} is needed; this is ${process.versions.node}`)
  const root = join(import.meta.dirname, '..', '..', '..', '..')
  for (const built of ['dist/cli/main.js', 'dist/register.js', 'build/examples/wallet/main.js']) {
    if (!existsSync(join(root, built))) throw new Error(`${built} is missing; run npm run build first`)
  }
  const { demoOptions, HELP } = await import('./options.js')
  const options = demoOptions(process.argv.slice(2), process.env)
  if (options.help) {
    console.log(HELP)
    return
  }
  const { Demo } = await import('./demo.js')
  const demo = new Demo(options)
  // 128 + the signal's number, as a shell has it. A service that is just starting ends with this process.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      const end = () => process.exit(code)
      demo.close().then(end, end)
    })
  }
  try {
    process.exitCode = await demo.run()
  } finally {
    await demo.close()
  }
}

main().catch((error: unknown) => {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

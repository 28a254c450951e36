import { existsSync } from 'node:fs'
import { join } from 'node:path'

// Nothing but what every Node has is imported before its version is known.

const NEEDED = 'Node 20.19, or 22.12 and later'

function supported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22
}

async function main(): Promise<void> {
  if (!supported(process.versions.node))
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

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Demo } from './demo.js'
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
  endEarly(demo)
  try {
    process.exitCode = await demo.run()
  } catch (error) {
    // After the close, work in progress fails: not worth a report.
    if (!demo.closing) throw error
  } finally {
    await demo.close()
  }
}

/** On a signal, and when the reader of the output is gone. A service that is just starting ends with this process. */
function endEarly(demo: Demo): void {
  const end = (code: number) => () => {
    const exit = () => process.exit(code)
    demo.close().then(exit, exit)
  }
  // 128 + the signal's number, as a shell has it.
  process.once('SIGINT', end(130))
  process.once('SIGTERM', end(143))
  process.once('SIGHUP', end(129))
  process.stdout.on('error', end(141))
}

main().catch((error: unknown) => {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

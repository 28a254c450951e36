import { writeFileSync } from 'node:fs'
import { HELP, soakOptions } from './options.js'
import { lossList, textReport } from './report.js'
import { Soak } from './soak.js'
import { isGood } from './verdict.js'

async function main(stop: AbortSignal): Promise<void> {
  const options = soakOptions(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const say = (what: string): void => console.error(`soak: ${what}`)
  say(`mode ${options.mode}, seed ${options.seed}`)
  const judgement = await Soak.run(options, say, stop)
  console.error(textReport(judgement))
  if (options.lost !== undefined) writeFileSync(options.lost, lossList(judgement))
  console.log(JSON.stringify(judgement.verdict))
  if (!isGood(judgement.verdict)) process.exitCode = 1
}

const stop = new AbortController()
// A second one ends it at once; what it leaves is cleared up by the launcher's watchdog.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)))
}
main(stop.signal)
  .catch((error: unknown) => {
    console.error(`soak: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  })
  // What an aborted soak still waits for comes to nothing.
  .finally(() => process.exit())

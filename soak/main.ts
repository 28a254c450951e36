import { writeFileSync } from 'node:fs'
import { throughGateway } from './gateway/through-gateway.js'
import { HELP, soakOptions } from './options.js'
import { lossList, textReport } from './report.js'
import { Soak } from './soak.js'
import { isGood, type Judgement } from './verdict.js'

async function main(stop: AbortSignal): Promise<void> {
  const options = soakOptions(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const say = (what: string): void => console.error(`soak: ${what}`)
  const { through, mode, seed } = options
  say(`${through === undefined ? `mode ${mode}` : `through the ${through}`}, seed ${seed}`)
  const { report, losses, verdict } =
    through === undefined
      ? inWords(await Soak.run(options, say, stop))
      : await throughGateway(options, say, stop)
  console.error(report)
  if (options.lost !== undefined) writeFileSync(options.lost, losses)
  console.log(JSON.stringify(verdict))
  if (!isGood(verdict)) process.exitCode = 1
}

function inWords(judgement: Judgement) {
  return { verdict: judgement.verdict, report: textReport(judgement), losses: lossList(judgement) }
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

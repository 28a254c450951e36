import { HELP, instrumentBenchOptions } from './options.js'
import { instrumentReport } from './report.js'
import { runInstrumentBench } from './run.js'

async function main(): Promise<void> {
  const options = instrumentBenchOptions(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const bench = await runInstrumentBench(options, (what) => console.error(`bench:instrument: ${what}`))
  const { text, json } = instrumentReport(options, bench)
  console.log(text)
  if (options.json) console.log(JSON.stringify(json))
}

main().catch((error: unknown) => {
  console.error(`bench:instrument: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

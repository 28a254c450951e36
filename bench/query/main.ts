import { HELP, queryBenchOptions } from './options.js'
import { queryReport } from './report.js'
import { runQueryBench } from './run.js'

async function main(): Promise<void> {
  const options = queryBenchOptions(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const bench = await runQueryBench(options, (what) => console.error(`bench:query: ${what}`))
  const { text, json } = queryReport(options, bench)
  console.log(text)
  if (options.json) console.log(JSON.stringify(json))
}

main().catch((error: unknown) => {
  console.error(`bench:query: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

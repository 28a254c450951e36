import { HELP, yearsOptions } from './options.js'
import { missingOf, yearsReport } from './report.js'
import { runYearsBench } from './run.js'

async function main(): Promise<void> {
  const options = yearsOptions(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const bench = await runYearsBench(options, (what) => console.error(`bench:years: ${what}`))
  const { text, json } = yearsReport(options, bench)
  console.log(text)
  if (options.json) console.log(json)
  if (missingOf(bench.trails) > 0) process.exitCode = 1
}

main().catch((error: unknown) => {
  console.error(`bench:years: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

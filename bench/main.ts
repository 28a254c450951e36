import { runBench } from './bench.js'
import { benchOptions, HELP } from './options.js'
import { acknowledged } from './findings.js'
import { jsonReport } from './json-report.js'
import { textReport } from './report.js'

async function main(): Promise<void> {
  const options = benchOptions(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const findings = await runBench(options, (what) => console.error(`bench: ${what}`))
  console.log(textReport(findings))
  if (options.json) console.log(jsonReport(findings))
  const { missing } = acknowledged(findings)
  if (missing !== 0) throw new Error(`${missing} acknowledged events are not in their table`)
}

main().catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

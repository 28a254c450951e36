import { floodOptions, HELP } from './options.js'
import { floodReport, unaccounted } from './report.js'
import { runFlood } from './run.js'

async function main(): Promise<void> {
  const options = floodOptions(process.argv.slice(2))
  if (options.help) {
    console.log(HELP)
    return
  }
  const flood = await runFlood(options, (what) => console.error(`flood: ${what}`))
  const { text, json } = floodReport(options, flood)
  console.log(text)
  if (options.json) console.log(JSON.stringify(json))
  const wrong = unaccounted(options, flood)
  if (wrong !== undefined) throw new Error(wrong)
}

main().catch((error: unknown) => {
  console.error(`flood: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../bench/number-option.js'
import { Report } from './check-report.js'
import { Drill, type DrillOptions } from './retention/drill.js'

const HELP = `Archives and retires 20 months of a trail of two years, with writers, late events and readers in the way, and kills it:
at each step in each way, and at random. Then it looks for every event, and for what an attacker did to the files.

  npm run retention:check -- [--quick] [--rows <n>] [--reader <seconds>] [--kills <n>] [--seed <n>]

  --quick   few rows, a reader of 2 s, 5 kills at random, each step killed in one way: less than two minutes
  --rows    of each month, 60 to 1000000 (default 1000)
  --reader  how long a reader is in the way, in seconds (default 60)
  --kills   at random, 0 to 1000 (default 20)
  --seed    decides about the rows and the moments (default: random; it is printed)

Starts a Postgres of its own. The exit code is 1 when something did not come out as it should.`

function optionsOf(args: readonly string[]): DrillOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      rows: { type: 'string' },
      reader: { type: 'string' },
      kills: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const { quick } = values
  return {
    rows: wholeNumberOption('--rows', values.rows, quick ? 60 : 1000, 60, 1_000_000),
    readerMs: wholeNumberOption('--reader', values.reader, quick ? 2 : 60, 0, 3600) * 1000,
    kills: wholeNumberOption('--kills', values.kills, quick ? 5 : 20, 0, 1000),
    everyWay: !quick,
    races: quick ? 2 : 10,
    seed: wholeNumberOption('--seed', values.seed, Math.floor(Math.random() * 2 ** 32), 0, 2 ** 32 - 1),
  }
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2))
  if (options === undefined) return console.log(HELP)
  const report = new Report()
  await Drill.run(report, options)
  report.end()
  process.exitCode = report.exitCode
}

main().catch((error: unknown) => {
  console.error(`retention-check: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../bench/number-option.js'
import { Report } from './check-report.js'
import { NotHere } from './object-storage/moto.js'
import { BucketStore } from './retention/bucket-store.js'
import { Drill, type DrillOptions } from './retention/drill.js'
import { DirectoryStore, type Store } from './retention/place.js'

const HELP = `Archives and retires 20 months of a trail of two years, with writers, late events and readers in the way, and kills it:
at each step in each way, and at random. Then it looks for every event, and for what an attacker did to the files.

  npm run retention:check -- [--store <kind>] [--quick] [--rows <n>] [--reader <seconds>] [--kills <n>] [--seed <n>]

  --store   directory (default), s3 (moto, which it installs once into build/), or both, one after the other
  --quick   few rows, a reader of 2 s, 5 kills at random, each step killed in one way: less than two minutes
  --rows    of each month, 60 to 1000000 (default 1000)
  --reader  how long a reader is in the way, in seconds (default 60)
  --kills   at random, 0 to 1000 (default 20)
  --seed    decides about the rows and the moments (default: random; it is printed)

Starts a Postgres of its own. The exit code is 1 when something did not come out as it should, and 2 when moto was not to be had
(it needs python3 with venv and pip, and PyPI).`

const directory = (): Promise<Store> => Promise.resolve(new DirectoryStore())
const bucket = (): Promise<Store> => BucketStore.start()
/** What is drilled, one after the other. */
const STORES: ReadonlyMap<string, readonly (() => Promise<Store>)[]> = new Map([
  ['directory', [directory]],
  ['s3', [bucket]],
  ['both', [directory, bucket]],
])

interface Asked {
  readonly stores: readonly (() => Promise<Store>)[]
  readonly options: Omit<DrillOptions, 'store'>
}

function asked(args: readonly string[]): Asked | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      store: { type: 'string', default: 'directory' },
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
  const stores = STORES.get(values.store)
  if (stores === undefined) throw new TypeError('--store must be directory, s3 or both')
  const options = {
    rows: wholeNumberOption('--rows', values.rows, quick ? 60 : 1000, 60, 1_000_000),
    readerMs: wholeNumberOption('--reader', values.reader, quick ? 2 : 60, 0, 3600) * 1000,
    kills: wholeNumberOption('--kills', values.kills, quick ? 5 : 20, 0, 1000),
    everyWay: !quick,
    races: quick ? 2 : 10,
    seed: wholeNumberOption('--seed', values.seed, Math.floor(Math.random() * 2 ** 32), 0, 2 ** 32 - 1),
  }
  return { stores, options }
}

async function main(): Promise<void> {
  const given = asked(process.argv.slice(2))
  if (given === undefined) return console.log(HELP)
  const report = new Report()
  for (const begin of given.stores) {
    try {
      const store = await begin()
      try {
        await Drill.run(report, { ...given.options, store })
      } finally {
        store.close()
      }
    } catch (error) {
      if (!(error instanceof NotHere)) throw error
      report.lacks('archives in object storage', error.message)
    }
  }
  report.end()
  process.exitCode = report.exitCode
}

main().catch((error: unknown) => {
  console.error(`retention-check: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})

import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../number-option.js'

/** What can be measured, in this order. */
const PARTS = ['queries', 'insert', 'archive', 'months', 'verify'] as const
export type YearsPart = (typeof PARTS)[number]

export interface YearsOptions {
  /** Of the trails, each in a database of its own. */
  readonly rows: readonly number[]
  readonly months: number
  readonly credentials: number
  readonly seed: number
  /** Of each kind. */
  readonly queries: number
  readonly rounds: number
  /** Of a round, and of the writers that nothing is in the way of. */
  readonly seconds: number
  readonly parts: readonly YearsPart[]
  /** Where the trails are kept. Undefined: they are removed. */
  readonly keep: string | undefined
}

export interface YearsCommand extends YearsOptions {
  readonly json: boolean
  readonly help: boolean
}

const DEFAULT_ROWS = 1_000_000
const [FEWEST_ROWS, MOST_ROWS] = [20_000, 1_000_000_000]
const [DEFAULT_MONTHS, FEWEST_MONTHS, MOST_MONTHS] = [24, 3, 24]
const DEFAULT_CREDENTIALS = 200_000
const DEFAULT_QUERIES = 200
const DEFAULT_ROUNDS = 5
const DEFAULT_SECONDS = 10

export const HELP = `Fills a trail of years with signed rows, and measures what becomes of it as it grows: inserting and reading, archiving
a month, the slowest strict call while months are made and retired, and verifying all of it and one more day.

  npm run bench:years -- [--rows <n>[,<n>…]] [--months <n>] [--credentials <n>] [--seed <n>] [--queries <n>]
                         [--rounds <n>] [--seconds <n>] [--only <part>[,<part>…]] [--keep <directory>] [--json]

  --rows         rows of the trail, ${FEWEST_ROWS} to 1,000,000,000 (default ${DEFAULT_ROWS}); of several, each is a column of the report
  --months       that they came in, evenly, with the current one, ${FEWEST_MONTHS} to ${MOST_MONTHS} (default ${DEFAULT_MONTHS})
  --credentials  that they are about, 100 to 100,000,000 (default ${DEFAULT_CREDENTIALS})
  --seed         decides rows and queries, 0 to 1,000,000 (default 1)
  --queries      queries of each kind, 1 to 100,000 (default ${DEFAULT_QUERIES})
  --rounds       of inserting, into the trail and a fresh one in turns, 1 to 100 (default ${DEFAULT_ROUNDS})
  --seconds      of a round, 1 to 3600 (default ${DEFAULT_SECONDS})
  --only         of ${PARTS.join(', ')}; or fill: nothing else
  --keep         keep the trails in this directory, and use those that are there: filling once is enough. Where it is
                 decides the disk. What was retired stays so, and the next month's turn comes
  --json         the result as one JSON document, in the last line
  --help         this text

A small example, and the whole:

  npm run bench:years -- --rows 200000 --queries 20 --rounds 1 --seconds 2
  npm run bench:years -- --rows 1000000,10000000,50000000 --keep /var/tmp/years

Starts a Postgres of its own, in TMPDIR unless it is kept; 50 million rows take 25 GB. The exit code is 0 whatever the
numbers are, and 1 when an acknowledged row is not in the table, when the verifier finds something, or when something failed.`

/** @throws TypeError with a text for the user */
export function yearsOptions(args: readonly string[]): YearsCommand {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string' },
      months: { type: 'string' },
      credentials: { type: 'string' },
      seed: { type: 'string' },
      queries: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string' },
      keep: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  return {
    rows: (values.rows ?? `${DEFAULT_ROWS}`)
      .split(',')
      .map((text) => wholeNumberOption('--rows', text, DEFAULT_ROWS, FEWEST_ROWS, MOST_ROWS)),
    months: wholeNumberOption('--months', values.months, DEFAULT_MONTHS, FEWEST_MONTHS, MOST_MONTHS),
    credentials: wholeNumberOption(
      '--credentials',
      values.credentials,
      DEFAULT_CREDENTIALS,
      100,
      100_000_000,
    ),
    seed: wholeNumberOption('--seed', values.seed, 1, 0, 1_000_000),
    queries: wholeNumberOption('--queries', values.queries, DEFAULT_QUERIES, 1, 100_000),
    rounds: wholeNumberOption('--rounds', values.rounds, DEFAULT_ROUNDS, 1, 100),
    seconds: wholeNumberOption('--seconds', values.seconds, DEFAULT_SECONDS, 1, 3600),
    parts: partsOf(values.only),
    keep: values.keep,
    json: values.json,
    help: values.help,
  }
}

function partsOf(only: string | undefined): YearsPart[] {
  if (only === undefined) return [...PARTS]
  const names = only.split(',')
  const unknown = names.find((name) => name !== 'fill' && !PARTS.some((part) => part === name))
  if (unknown !== undefined) throw new TypeError(`--only takes ${PARTS.join(', ')} and fill; got ${unknown}`)
  return PARTS.filter((part) => names.includes(part))
}

import { parseArgs } from 'node:util'
import { numberOption, wholeNumberOption } from './number-option.js'

/** What is measured, in this order. */
export const PARTS = ['traced', 'untraced', 'async', 'spool', 'verify'] as const
export type Part = (typeof PARTS)[number]

export interface BenchOptions {
  readonly parts: readonly Part[]
  readonly rounds: number
  readonly seconds: number
  readonly rows: number
  /** By so much each flush of the database is longer, in µs. */
  readonly commitDelayUs: number
  readonly json: boolean
  readonly help: boolean
}

const DEFAULT_ROUNDS = 7
const DEFAULT_SECONDS = 1.5
const DEFAULT_ROWS = 256_000

export const HELP = `Measures what an audit record costs, compared with the original and with a plain span.

  npm run bench -- [--only <part>] [--rounds <n>] [--seconds <s>] [--rows <n>] [--commit-delay <µs>] [--json]

  --only     one part of it: ${PARTS.join(', ')}
  --rounds   rounds of each comparison, 1 to 1000 (default ${DEFAULT_ROUNDS}); both sides run in each, and take turns to be first
  --seconds  how long a side runs in a round, 0.05 to 600 (default ${DEFAULT_SECONDS})
  --rows     rows of the trail that is verified, 64 to 100,000,000 (default ${DEFAULT_ROWS})
  --commit-delay
             makes each flush of the database that many µs longer, 0 to 100,000 (default 0), as on a slower disk
  --json     the result as one JSON document, in the last line
  --help     this text

  npm run bench -- --only verify --rows 10000000
  npm run bench -- --only untraced --commit-delay 1000

Starts a Postgres of its own, with fsync on. The exit code is 0 whatever the numbers are, and 1 when an acknowledged
event is not in its table, or when something failed.`

/** @throws TypeError with a text for the user */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      rows: { type: 'string' },
      'commit-delay': { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  return {
    parts: partsOf(values.only),
    rounds: wholeNumberOption('--rounds', values.rounds, DEFAULT_ROUNDS, 1, 1000),
    seconds: numberOption('--seconds', values.seconds, DEFAULT_SECONDS, 0.05, 600),
    rows: wholeNumberOption('--rows', values.rows, DEFAULT_ROWS, 64, 100_000_000),
    commitDelayUs: wholeNumberOption('--commit-delay', values['commit-delay'], 0, 0, 100_000),
    json: values.json,
    help: values.help,
  }
}

function partsOf(only: string | undefined): readonly Part[] {
  if (only === undefined) return PARTS
  const part = PARTS.find((name) => name === only)
  if (part === undefined) throw new TypeError(`--only must be one of ${PARTS.join(', ')}`)
  return [part]
}

import { parseArgs } from 'node:util'
import { numberOption, wholeNumberOption } from './number-option.js'

export interface BenchOptions {
  readonly rounds: number
  readonly seconds: number
  readonly rows: number
  readonly json: boolean
  readonly help: boolean
}

const DEFAULT_ROUNDS = 7
const DEFAULT_SECONDS = 1.5
const DEFAULT_ROWS = 100_000

export const HELP = `Measures what an audit record costs, beside the way of the original and beside a plain span.

  npm run bench -- [--rounds <n>] [--seconds <s>] [--rows <n>] [--json]

  --rounds   rounds of each comparison, 1 to 1000 (default ${DEFAULT_ROUNDS}); both sides run in each, in turn first
  --seconds  how long a side runs in a round, 0.05 to 600 (default ${DEFAULT_SECONDS})
  --rows     rows of the trail that is verified, 64 to 100,000,000 (default ${DEFAULT_ROWS})
  --json     the result as one JSON document, in the last line
  --help     this text

Starts a Postgres of its own, with fsync on. The exit code is 0 whatever the numbers are, and 1 when an acknowledged
event is not in its table, or when something failed.`

/** @throws TypeError with a text for the user */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      rows: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const rounds = wholeNumberOption('--rounds', values.rounds, DEFAULT_ROUNDS, 1, 1000)
  const seconds = numberOption('--seconds', values.seconds, DEFAULT_SECONDS, 0.05, 600)
  const rows = wholeNumberOption('--rows', values.rows, DEFAULT_ROWS, 64, 100_000_000)
  return { rounds, seconds, rows, json: values.json, help: values.help }
}

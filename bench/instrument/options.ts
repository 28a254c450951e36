import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../number-option.js'

export interface InstrumentBenchOptions {
  /** Of each side. */
  readonly rounds: number
  /** In a round. */
  readonly calls: number
}

export interface InstrumentBenchCommand extends InstrumentBenchOptions {
  readonly json: boolean
  readonly help: boolean
}

const DEFAULT_ROUNDS = 15
const DEFAULT_CALLS = 400

export const HELP = `Measures what the instrumentation of secret clients costs: processor time of a call that is audited, beside the same
call that is not, of the AWS SDK, node-vault and fetch; of requests that are none of its business; and of telling them apart.

  npm run bench:instrument -- [--rounds <n>] [--calls <n>] [--json]

  --rounds  rounds of each side, which alternate, 1 to 1,000 (default ${DEFAULT_ROUNDS})
  --calls   calls in a round, 1 to 100,000 (default ${DEFAULT_CALLS})
  --json    the result as one JSON document, in the last line
  --help    this text

Providers are fakes in this process, rows go to a sink that keeps none, async: what is left is the work of the hooks, of the
wire, and of a record. The exit code is 0 whatever the numbers are.`

/** @throws TypeError with a text for the user */
export function instrumentBenchOptions(args: readonly string[]): InstrumentBenchCommand {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      calls: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  return {
    rounds: wholeNumberOption('--rounds', values.rounds, DEFAULT_ROUNDS, 1, 1000),
    calls: wholeNumberOption('--calls', values.calls, DEFAULT_CALLS, 1, 100_000),
    json: values.json,
    help: values.help,
  }
}

import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../number-option.js'

export interface GatewayBenchOptions {
  readonly rounds: number
  /** Of each case in each round. */
  readonly seconds: number
  /** The binary of a collector. */
  readonly collector: string | undefined
}

export interface GatewayBenchCommand extends GatewayBenchOptions {
  readonly json: boolean
  readonly help: boolean
}

const DEFAULT_ROUNDS = 3
const DEFAULT_SECONDS = 5

export const HELP = `What an audit event costs on its way through otel-audit gateway, beside a receiver that inserts each event for itself, and
beside the file exporter of a collector: 1, 8 and 512 events a request, alone and among twenty times as many spans.

  npm run bench:gateway -- [--rounds <n>] [--seconds <n>] [--collector <binary>] [--json]

  --rounds     how often each is measured, 1 to 100 (default ${DEFAULT_ROUNDS}); the median is reported
  --seconds    of each case in each round, 1 to 600 (default ${DEFAULT_SECONDS})
  --collector  a collector with the file exporter (default: $COLLECTOR_BIN; without one it is left out)
  --json       the result as one JSON document, in the last line
  --help       this text

Starts a Postgres of its own, with fsync. Senders are in this process, and take their part of the processors. The exit code is 0
whatever the numbers are, and 1 when a row is missing, or when something failed.`

/** @throws TypeError with a text for the user */
export function gatewayBenchOptions(args: readonly string[]): GatewayBenchCommand {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      collector: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  return {
    rounds: wholeNumberOption('--rounds', values.rounds, DEFAULT_ROUNDS, 1, 100),
    seconds: wholeNumberOption('--seconds', values.seconds, DEFAULT_SECONDS, 1, 600),
    collector: values.collector ?? process.env['COLLECTOR_BIN'],
    json: values.json,
    help: values.help,
  }
}

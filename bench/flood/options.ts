import { parseArgs } from 'node:util'
import type { FloodOptions } from './run.js'

const DEFAULT_EVENTS = 1_000_000
const DEFAULT_RATE = 20_000

export const HELP = `Records many async events while Postgres is stopped, starts it again, and counts what became of them.

  npm run flood -- [--events <n>] [--rate <n>] [--no-spool] [--json]

  --events    how many, 1 to 100,000,000 (default ${DEFAULT_EVENTS})
  --rate      events a second, at most; 0 is as fast as possible (default ${DEFAULT_RATE}). With a spool never more than
              it takes: the service records on when half of its queue is free
  --no-spool  the service has no spool: what its queue cannot hold is dropped, and counted in a gap row
  --json      the result as one JSON document, in the last line
  --help      this text

Starts a Postgres of its own. The exit code is 1 when an event is neither stored nor counted by a gap row, or is stored
twice, and when one is lost although there is a spool; whatever the other numbers are.`

export interface FloodCommand extends FloodOptions {
  readonly json: boolean
  readonly help: boolean
}

/** @throws TypeError with a text for the user */
export function floodOptions(args: readonly string[]): FloodCommand {
  const { values } = parseArgs({
    args: [...args],
    options: {
      events: { type: 'string' },
      rate: { type: 'string' },
      'no-spool': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const rate = wholeNumber('--rate', values.rate, DEFAULT_RATE, 0, 100_000_000)
  return {
    events: wholeNumber('--events', values.events, DEFAULT_EVENTS, 1, 100_000_000),
    rate: rate === 0 ? Number.MAX_SAFE_INTEGER : rate,
    spool: !values['no-spool'],
    json: values.json,
    help: values.help,
  }
}

function wholeNumber(
  flag: string,
  text: string | undefined,
  byDefault: number,
  least: number,
  most: number,
): number {
  const value = text === undefined ? byDefault : Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new TypeError(`${flag} must be a whole number from ${least} to ${most}`)
}

import { parseArgs } from 'node:util'
import { type Condition, FAR, FLUSHES_MS, NEAR, NETWORKS_MS } from './condition.js'
import { numberOption, wholeNumberOption } from './number-option.js'

/** What is measured, in this order. */
export const PARTS = ['stock', 'own', 'untraced', 'far', 'grid', 'async', 'spool', 'verify', 'drain'] as const
export type Part = (typeof PARTS)[number]

export interface BenchOptions {
  readonly parts: readonly Part[]
  readonly rounds: number
  readonly seconds: number
  /** Rows of each side that nothing is measured of, once for each way of tracing. */
  readonly warmUpRows: number
  /** Rows of the trail that is verified, those that are drained, and those that the table has before. */
  readonly rows: number
  readonly drainRows: number
  readonly tableRows: number
  /** Of `stock`, `own` and `untraced`. */
  readonly condition: Condition
  readonly json: boolean
  readonly help: boolean
}

interface Extent {
  readonly rounds: number
  readonly seconds: number
  readonly rows: number
  readonly drainRows: number
  readonly tableRows: number
}

const WHOLE: Extent = { rounds: 5, seconds: 1, rows: 256_000, drainRows: 500_000, tableRows: 5_000_000 }
const QUICK: Extent = { rounds: 3, seconds: 0.4, rows: 96_000, drainRows: 100_000, tableRows: 0 }

const DEFAULT_WARM_UP_ROWS = 30_000

export const HELP = `Measures what an audit record costs, compared with the original and with a plain span.

  npm run bench -- [--quick] [--only <part>] [--network <ms>] [--flush <ms>] [--rounds <n>] [--seconds <s>]
                   [--warm-up <rows>] [--rows <n>] [--drain <n>] [--table <n>] [--json]

  --quick    everything but the grid, with shorter rounds, in at most 3 minutes on two cores that do nothing else
  --only     one part of it:
               stock     strict callers with tracing, the SDK serializes on both sides
               own       the same, and on our side the serializer of this library (otlpSerializer)
               untraced  strict callers without any tracing
               far       as stock, with a network of +${FAR.networkMs} ms and a flush of +${FAR.flushMs} ms
               grid      each of these at networks of +${NETWORKS_MS.join(', ')} ms with flushes of +${FLUSHES_MS.join(', ')} ms
               async     a call of recordAsync beside a plain span
               spool     recordAsync with the always spool beside raw lmdb
               verify    verifying a trail
               drain     bringing a spool back, beside COPY
  --network  adds that many ms to a round trip, 0 to 100 (default 0): half in each direction, by a process in between.
             For stock, own and untraced
  --flush    makes each flush of the database that many ms longer, 0 to 100 (default 0), as on a slower disk. As above
  --rounds   rounds of each comparison, 1 to 1000 (default ${WHOLE.rounds}, quick ${QUICK.rounds}); both sides run in each, and take turns to be
             first
  --seconds  how long a side runs in a round, 0.05 to 600 (default ${WHOLE.seconds}, quick ${QUICK.seconds})
  --warm-up  rows of each side before anything is measured, for each way of tracing (default ${DEFAULT_WARM_UP_ROWS})
  --rows     rows of the trail that is verified, 64 to 100,000,000 (default ${WHOLE.rows}, quick ${QUICK.rows})
  --drain    events that are drained, 1000 to 100,000,000 (default ${WHOLE.drainRows}, quick ${QUICK.drainRows})
  --table    rows of the table before that, 0 or at least 4200 (default ${WHOLE.tableRows}, quick ${QUICK.tableRows})
  --json     the result as one JSON document, in the last line
  --help     this text

  npm run bench -- --only verify --rows 10000000
  npm run bench -- --only untraced --network 1 --flush 2

Starts a Postgres of its own, with fsync on. The exit code is 0 whatever the numbers are, and 1 when an acknowledged
event is not in its table, or when something failed.`

/** @throws TypeError with a text for the user */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      network: { type: 'string' },
      flush: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      rows: { type: 'string' },
      drain: { type: 'string' },
      table: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const extent = values.quick ? QUICK : WHOLE
  return {
    parts: partsOf(values.only, values.quick),
    rounds: wholeNumberOption('--rounds', values.rounds, extent.rounds, 1, 1000),
    seconds: numberOption('--seconds', values.seconds, extent.seconds, 0.05, 600),
    warmUpRows: wholeNumberOption('--warm-up', values['warm-up'], DEFAULT_WARM_UP_ROWS, 0, 10_000_000),
    rows: wholeNumberOption('--rows', values.rows, extent.rows, 64, 100_000_000),
    drainRows: wholeNumberOption('--drain', values.drain, extent.drainRows, 1000, 100_000_000),
    tableRows: tableRows(values.table, extent.tableRows),
    condition: {
      networkMs: numberOption('--network', values.network, NEAR.networkMs, 0, 100),
      flushMs: numberOption('--flush', values.flush, NEAR.flushMs, 0, 100),
    },
    json: values.json,
    help: values.help,
  }
}

function tableRows(text: string | undefined, byDefault: number): number {
  return text === '0' ? 0 : wholeNumberOption('--table', text, byDefault, 4200, 1_000_000_000)
}

function partsOf(only: string | undefined, isQuick: boolean): readonly Part[] {
  if (only === undefined) return PARTS.filter((part) => !isQuick || part !== 'grid')
  const part = PARTS.find((name) => name === only)
  if (part === undefined) throw new TypeError(`--only must be one of ${PARTS.join(', ')}`)
  return [part]
}

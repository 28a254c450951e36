import { closedLoop, type Length, type Side, type Speed } from './closed-loop.js'
import type { CpuClock, CpuTime } from './cpu.js'
import { median } from './statistics.js'
import type { Telemetry } from './telemetry.js'

/** How many strict callers there are at once. */
export const CONCURRENCIES = [1, 8, 64, 256] as const
type Concurrency = (typeof CONCURRENCIES)[number]

/** What one row costs. */
export interface Cost extends Speed {
  /** Processor time a row, in µs, of Node's main thread, of all of Node, and of Postgres; undefined where it is not known. */
  readonly main_us: number | undefined
  readonly node_us: number
  readonly postgres_us: number | undefined
}

/** Medians over the rounds; the ratios are medians of each round's own ratio, otel-audit to the original. */
export interface Comparison {
  readonly ours: Cost
  readonly original: Cost
  readonly ratio: { readonly rps: number; readonly p50: number; readonly p99: number }
}

export interface StrictResult {
  readonly at: Readonly<Record<Concurrency, Comparison>>
  /** Events whose callers got a receipt. */
  readonly acknowledged: number
  /** Those of them that are not. */
  readonly missing: number
}

/** What is compared, and how it is watched. */
export interface Contest {
  readonly ours: Side
  readonly original: Side
  readonly telemetry: Telemetry
  readonly cpu: CpuClock
}

export interface Extent {
  readonly rounds: number
  readonly seconds: number
  /** Rows of each side before anything is measured. */
  readonly warmUpRows: number
  /** Told at the start of each round. */
  readonly progress: (what: string) => void
}

const WARM_UP_CALLERS = 256

/** A first round that is not counted is this part of the others. */
const FIRST_ROUND = 0.5

/**
 * Lets both sides run in turns. The one that goes first changes from round to round, and what one side leaves behind
 * (spans to be exported) is done with before the other begins, and counts as its processor time. A first, shorter round
 * at each concurrency is not counted.
 */
export async function compareStrict(
  { ours, original, telemetry, cpu }: Contest,
  { rounds, seconds, warmUpRows, progress }: Extent,
): Promise<StrictResult> {
  let acknowledged = 0
  let missing = 0
  const run = async (side: Side, callers: number, length: Length): Promise<Cost> => {
    const used = cpu.start()
    const load = await telemetry.underParent(() => closedLoop(side, callers, length))
    await telemetry.flush()
    const cost = costOf(load.speed, load.acknowledged.length, used())
    acknowledged += load.acknowledged.length
    missing += await side.missing(load.acknowledged)
    return cost
  }
  const compare = async (callers: Concurrency): Promise<Comparison> => {
    for (const side of [ours, original]) await run(side, callers, { seconds: FIRST_ROUND * seconds })
    const pairs: { ours: Cost; original: Cost }[] = []
    for (let round = 0; round < rounds; round++) {
      progress(`${callers} strict caller${callers === 1 ? '' : 's'}, round ${round + 1} of ${rounds}`)
      if (round % 2 === 0) {
        const first = await run(ours, callers, { seconds })
        pairs.push({ ours: first, original: await run(original, callers, { seconds }) })
      } else {
        const first = await run(original, callers, { seconds })
        pairs.push({ ours: await run(ours, callers, { seconds }), original: first })
      }
    }
    const ratio = (of: keyof Speed): number => median(pairs.map((pair) => pair.ours[of] / pair.original[of]))
    return {
      ours: middle(pairs.map((pair) => pair.ours)),
      original: middle(pairs.map((pair) => pair.original)),
      ratio: { rps: ratio('rps'), p50: ratio('p50_ms'), p99: ratio('p99_ms') },
    }
  }
  if (warmUpRows > 0) {
    progress(`${warmUpRows} rows of each side, to warm up`)
    for (const side of [ours, original]) await run(side, WARM_UP_CALLERS, { rows: warmUpRows })
  }
  const at = {
    1: await compare(1),
    8: await compare(8),
    64: await compare(64),
    256: await compare(256),
  } satisfies Record<Concurrency, Comparison>
  return { at, acknowledged, missing }
}

function costOf(speed: Speed, rows: number, { main, node, postgres }: CpuTime): Cost {
  return {
    ...speed,
    main_us: main && main / rows,
    node_us: node / rows,
    postgres_us: postgres && postgres / rows,
  }
}

function middle(costs: readonly Cost[]): Cost {
  const of = (what: keyof Speed | 'node_us'): number => median(costs.map((cost) => cost[what]))
  const known = (what: 'main_us' | 'postgres_us'): number | undefined => {
    const values = costs.map((cost) => cost[what]).filter((value) => value !== undefined)
    return values.length === 0 ? undefined : median(values)
  }
  return {
    rps: of('rps'),
    p50_ms: of('p50_ms'),
    p99_ms: of('p99_ms'),
    main_us: known('main_us'),
    node_us: of('node_us'),
    postgres_us: known('postgres_us'),
  }
}

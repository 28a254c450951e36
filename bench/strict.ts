import { closedLoop, type Load, type Side, type Speed } from './closed-loop.js'
import { median } from './statistics.js'
import type { Telemetry } from './telemetry.js'

/** How many strict callers there are at once. */
export const CONCURRENCIES = [1, 8, 64, 256] as const
type Concurrency = (typeof CONCURRENCIES)[number]

/** Medians over the rounds; the ratios are medians of each round's own ratio, otel-audit to the original. */
export interface Comparison {
  readonly ours: Speed
  readonly original: Speed
  readonly ratio: { readonly rps: number; readonly p50: number; readonly p99: number }
}

export interface StrictResult {
  readonly at: Readonly<Record<Concurrency, Comparison>>
  /** Events whose callers got a receipt. */
  readonly acknowledged: number
  /** Those of them that are not. */
  readonly missing: number
}

export interface Extent {
  readonly rounds: number
  readonly seconds: number
  /** Told at the start of each round. */
  readonly progress: (what: string) => void
}

/**
 * Lets both sides run in turns. The one that goes first changes from round to round, and what one side leaves behind
 * (spans to be exported) is done with before the other begins. A first, shorter round warms up and is not counted.
 */
export async function compareStrict(
  ours: Side,
  original: Side,
  telemetry: Telemetry,
  { rounds, seconds, progress }: Extent,
): Promise<StrictResult> {
  let acknowledged = 0
  let missing = 0
  const run = async (side: Side, callers: number, time: number): Promise<Speed> => {
    const load: Load = await telemetry.underParent(() => closedLoop(side, callers, time))
    await telemetry.flush()
    acknowledged += load.acknowledged.length
    missing += await side.missing(load.acknowledged)
    return load.speed
  }
  const compare = async (callers: Concurrency): Promise<Comparison> => {
    for (const side of [ours, original]) await run(side, callers, Math.min(1, seconds))
    const pairs: { ours: Speed; original: Speed }[] = []
    for (let round = 0; round < rounds; round++) {
      progress(`${callers} strict caller${callers === 1 ? '' : 's'}, round ${round + 1} of ${rounds}`)
      if (round % 2 === 0) {
        const first = await run(ours, callers, seconds)
        pairs.push({ ours: first, original: await run(original, callers, seconds) })
      } else {
        const first = await run(original, callers, seconds)
        pairs.push({ ours: await run(ours, callers, seconds), original: first })
      }
    }
    const ratio = (of: keyof Speed): number => median(pairs.map((pair) => pair.ours[of] / pair.original[of]))
    return {
      ours: middle(pairs.map((pair) => pair.ours)),
      original: middle(pairs.map((pair) => pair.original)),
      ratio: { rps: ratio('rps'), p50: ratio('p50_ms'), p99: ratio('p99_ms') },
    }
  }
  const at = {
    1: await compare(1),
    8: await compare(8),
    64: await compare(64),
    256: await compare(256),
  } satisfies Record<Concurrency, Comparison>
  return { at, acknowledged, missing }
}

function middle(speeds: readonly Speed[]): Speed {
  const of = (what: keyof Speed): number => median(speeds.map((speed) => speed[what]))
  return { rps: of('rps'), p50_ms: of('p50_ms'), p99_ms: of('p99_ms') }
}

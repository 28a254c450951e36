import { bucketOf, idsOf } from './id-bucket.js'
import type { BlockPlace } from './incremental-source.js'
import type { Cycle, KnownChain } from './verify-state.js'

/**
 * How much of a cycle has to be done by now, from 0 to 1. The deadline is absolute: a run that was left out, or a state that was put
 * back, only makes the share larger. A clock that goes back before the start tells nothing: then everything is due.
 */
export function dueBy({ startedAt }: Pick<Cycle, 'startedAt'>, nowMs: number, fullEveryMs: number): number {
  const elapsed = nowMs - startedAt
  return elapsed < 0 ? 1 : Math.min(1, elapsed / fullEveryMs)
}

/** The last id that has to be read by then. */
export function idsDue({ ids }: Cycle, due: number): bigint | undefined {
  if (ids === undefined) return undefined
  const [from, to] = [bucketOf(ids.first), bucketOf(ids.last)]
  const bucket = from + Math.floor((to + 1 - from) * due) - 1
  return bucket < from ? undefined : idsOf(bucket).last
}

/** The block up to which the chains have to be walked by then. Of each chain all up to its head count alike. */
export function chainsDue(chains: ReadonlyMap<string, KnownChain>, due: number): BlockPlace | undefined {
  const inOrder = [...chains.values()]
    .flatMap(({ point, cycleHead }) => (cycleHead === undefined ? [] : [{ chain: point.chain, cycleHead }]))
    .toSorted((a, b) => (a.chain < b.chain ? -1 : 1))
  const all = inOrder.reduce((sum, { cycleHead }) => sum + cycleHead + 1, 0)
  let left = Math.floor(all * due)
  if (left === 0) return undefined
  for (const { chain, cycleHead } of inOrder) {
    if (left <= cycleHead + 1) return { chain, block: left - 1 }
    left -= cycleHead + 1
  }
  return undefined
}

/** Whether one place lies behind another one. Undefined: the beginning. */
export function isBehind(place: BlockPlace, mark: BlockPlace | undefined): boolean {
  if (mark === undefined) return true
  return place.chain > mark.chain || (place.chain === mark.chain && place.block > mark.block)
}

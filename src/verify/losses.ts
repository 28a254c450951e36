import { JSON } from '../host/globals.js'
import type { ChainSummary } from './chain-walk.js'

type Counted = Pick<ChainSummary, 'chain' | 'service' | 'instance' | 'lost' | 'continues'>

/**
 * Events that the writers say they have lost. Each block has the number of its whole process, so several chains of one
 * writer (left and continued, or beside each other) say the same losses again: of them the largest number counts.
 */
export function lostOf(chains: readonly Counted[]): number {
  const known = new Map(chains.map((chain) => [chain.chain, chain]))
  const largest = new Map<string, number>()
  for (const chain of chains) {
    const writer = writerOf(chain, known)
    largest.set(writer, Math.max(largest.get(writer) ?? 0, chain.lost))
  }
  return [...largest.values()].reduce((sum, lost) => sum + lost, 0)
}

/** By its instance; without one by the first of the chains that continue each other. */
function writerOf(chain: Counted, known: ReadonlyMap<string, Counted>): string {
  if (chain.instance !== undefined && chain.instance !== '')
    return JSON.stringify([chain.service, chain.instance])
  const seen = new Set<string>()
  let first = chain
  for (let older: Counted | undefined = chain; older !== undefined && !seen.has(older.chain); ) {
    seen.add(older.chain)
    first = older
    older = older.continues === undefined ? undefined : known.get(older.continues.chain)
  }
  return first.chain
}

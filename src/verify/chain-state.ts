import type { ChainEnd } from './chain-walk.js'

export const CHAIN_STATES = Object.freeze(['closed', 'idle', 'live', 'unclean'] as const)

/** How a chain ends, by a reader's clock. `unclean`: its writer was killed, or cannot reach the database. */
export type ChainState = (typeof CHAIN_STATES)[number]

/** A writer says that it is alive after 60 s without a row. One that has not for twice as long is taken for dead. */
const LIVE_WITHIN_US = 120_000_000

/**
 * @param lastTime of the chain's last block, µs since the Unix epoch
 * @param now the reader's, likewise
 */
export function chainState(end: ChainEnd, lastTime: number, now: number): ChainState {
  if (end !== 'open') return end
  return now - lastTime <= LIVE_WITHIN_US ? 'live' : 'unclean'
}

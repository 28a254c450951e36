import type { Anchor } from '../anchors.js'
import type { ChainPoint } from '../chain-point.js'
import type { IdRange, RetentionRow } from '../source.js'
import type { BucketSum } from './bucket-sums.js'

/**
 * What a verification leaves to the next one: how far everything was in order, what was not, and how far the rotation through what
 * is old has come. It depends on the number of chains and on the time that the trail spans, not on its rows.
 */
export interface VerifyState {
  /** Name of the log whose verifier key signs it. */
  readonly log: string
  /** 32 hex digits. */
  readonly trail: string
  /** 1 for the first. */
  readonly sequence: number
  /** SHA-256 of the file before, 64 hex digits. Undefined: there was none. */
  readonly before: string | undefined
  /** When the snapshot was taken, ms since the Unix epoch. */
  readonly time: number
  /** Of what was trusted: with another trust file nothing of it holds. */
  readonly trust: string
  /** All that had a proven block, by id. */
  readonly chains: ReadonlyMap<string, KnownChain>
  readonly open: OpenPlaces
  /** The smallest id that a row had, and the largest one of a proven block. */
  readonly lowest: bigint | undefined
  readonly highest: bigint | undefined
  /** What a retention key has signed. Undefined: all rows about it are read again. */
  readonly retention: readonly RetentionRow[] | undefined
  /** Anchors that did not hold. */
  readonly anchors: readonly Anchor[]
  readonly cycle: Cycle
}

export interface KnownChain {
  /** The last block up to which everything was in order. */
  readonly point: ChainPoint
  /** The number of the last block that is read again in this cycle. Undefined: the chain began later. */
  readonly cycleHead: number | undefined
}

/** Where something was found: each is looked at in every run, until nothing is found there. */
interface OpenPlaces {
  readonly chains: ReadonlySet<string>
  readonly ids: readonly IdRange[]
  /** Everything. */
  readonly all: boolean
}

/** Reading all that is old again, a share in each run. */
export interface Cycle {
  /** ms since the Unix epoch. */
  readonly startedAt: number
  /** The ids that there were, for the pace. */
  readonly ids: IdRange | undefined
  /** How far the chains are walked. Undefined: not begun. */
  readonly chainsTo: ChainMark | undefined
  /** The first id that is still to be read. Undefined: not begun. */
  readonly idsFrom: bigint | undefined
  /** Blocks read in their chains, less those read with their rows. In the end of the cycle nothing is left. */
  readonly blocks: readonly (readonly [number, BucketSum])[]
  /** Rows without a block, as they were read last. */
  readonly unsigned: readonly (readonly [number, BucketSum])[]
}

/** A place in the order of chains and blocks: the walk goes on behind it. */
export interface ChainMark {
  readonly chain: string
  /** In the middle of the chain. Undefined: the chain is done with. */
  readonly point: ChainPoint | undefined
}

import { keyedHash } from '../block-sum.js'

const MODULUS = 1n << 256n

/** How many things a bucket has, and a sum over them that does not depend on their order. */
export interface BucketSum {
  readonly count: number
  readonly sum: bigint
}

const NOTHING: BucketSum = { count: 0, sum: 0n }

/**
 * Sums by bucket of ids, over hashes with a key that nobody has who has a say in what is added. What was added and taken away
 * again leaves nothing.
 */
export class BucketSums {
  readonly #key: Uint8Array
  readonly #sums: Map<number, BucketSum>

  constructor(key: Uint8Array, sums: Iterable<readonly [number, BucketSum]> = []) {
    this.#key = key
    this.#sums = new Map(sums)
  }

  add(bucket: number, bytes: Uint8Array): void {
    this.#change(bucket, keyedHash(this.#key, bytes), 1)
  }

  takeAway(bucket: number, bytes: Uint8Array): void {
    this.#change(bucket, MODULUS - keyedHash(this.#key, bytes), -1)
  }

  of(bucket: number): BucketSum {
    return this.#sums.get(bucket) ?? NOTHING
  }

  /** In ascending order of buckets, those that have anything. */
  entries(): readonly (readonly [number, BucketSum])[] {
    return [...this.#sums].toSorted(([a], [b]) => a - b)
  }

  #change(bucket: number, hash: bigint, by: 1 | -1): void {
    const { count, sum } = this.of(bucket)
    const changed = { count: count + by, sum: (sum + hash) % MODULUS }
    if (changed.count === 0 && changed.sum === 0n) this.#sums.delete(bucket)
    else this.#sums.set(bucket, changed)
  }
}

export function isSameSum(a: BucketSum, b: BucketSum): boolean {
  return a.count === b.count && a.sum === b.sum
}

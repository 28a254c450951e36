import { INT8_MAX, INT8_MIN } from '../../event/int8.js'
import { snowflakeTime } from '../../event/snowflake.js'
import type { IdRange } from '../source.js'

/** Of an id: what is above it is its bucket. 2^24 ms of ids, 4 h 40 min: a year has 1,880. */
const BITS = 46n

/** The pieces that ids are read and summed up in. Their borders are the same in every run. */
export function bucketOf(id: bigint): number {
  return Number(id >> BITS)
}

export function idsOf(bucket: number): IdRange {
  const first = BigInt(bucket) << BITS
  return { first, last: first + (1n << BITS) - 1n }
}

/** Whether the ids of a bucket lie so far back that no row with one of them is on its way any more: a day. */
export function isSettled(bucket: number, nowMs: number): boolean {
  const { last } = idsOf(bucket)
  return last < 0n || snowflakeTime(last) + 86_400_000 <= nowMs
}

/** The range, made larger until it ends with buckets on both sides. */
export function inWholeBuckets({ first, last }: IdRange): IdRange {
  const [from, to] = [idsOf(bucketOf(first)).first, idsOf(bucketOf(last)).last]
  return { first: from < INT8_MIN ? INT8_MIN : from, last: to > INT8_MAX ? INT8_MAX : to }
}

/** The range in pieces of at most so many buckets, the first and the last of which may reach further where nothing is expected. */
export function piecesOf(range: IdRange, expected: IdRange, buckets: number): readonly IdRange[] {
  const [from, to] = [
    bucketOf(later(range.first, expected.first)),
    bucketOf(earlier(range.last, expected.last)),
  ]
  const cuts: bigint[] = []
  for (let bucket = from + buckets; bucket <= to; bucket += buckets) cuts.push(idsOf(bucket).first)
  const starts = [range.first, ...cuts.filter((cut) => cut > range.first && cut <= range.last)]
  return starts.map((first, i) => ({ first, last: (starts[i + 1] ?? range.last + 1n) - 1n }))
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

function earlier(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

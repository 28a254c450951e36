/** The middle of some numbers: of an even count, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = at(sorted, middle)
  return sorted.length % 2 === 1 ? upper : (at(sorted, middle - 1) + upper) / 2
}

/** The smallest value that at least this share of all values does not exceed (nearest rank). @param share 0…1 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return at(sorted, Math.max(0, Math.ceil(share * sorted.length) - 1))
}

function at(sorted: ArrayLike<number>, index: number): number {
  const value = sorted[index]
  if (value === undefined) throw new RangeError('a median needs at least one value')
  return value
}

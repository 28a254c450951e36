/** Several byte strings in one piece of memory, which moves between threads without being copied. */
export interface Packed {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Where each of them ends. */
  readonly ends: Uint32Array<ArrayBuffer>
}

export function pack(parts: readonly Uint8Array[]): Packed {
  const ends = endsOf(parts.map((part) => part.byteLength))
  const bytes = new Uint8Array(ends.at(-1) ?? 0)
  parts.forEach((part, i) => bytes.set(part, startOf(ends, i)))
  return { bytes, ends }
}

export function unpack({ bytes, ends }: Packed): Uint8Array[] {
  return Array.from(ends, (end, i) => bytes.subarray(startOf(ends, i), end))
}

/** What to name in the transfer list of `postMessage`. */
export function memoryOf({ bytes, ends }: Packed): ArrayBuffer[] {
  return [bytes.buffer, ends.buffer]
}

function endsOf(lengths: readonly number[]): Uint32Array<ArrayBuffer> {
  const ends = new Uint32Array(lengths.length)
  let end = 0
  lengths.forEach((length, i) => {
    end += length
    ends[i] = end
  })
  return ends
}

function startOf(ends: Uint32Array, index: number): number {
  return index === 0 ? 0 : (ends[index - 1] ?? 0)
}

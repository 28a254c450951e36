const SLAB_BYTES = 256 * 1024
/** The longest integer of 64 bits has 20 characters. */
const INTEGER_BYTES = 20
/** `\u001f` of one byte. */
const LONGEST_ESCAPE = 6
const TEN_9 = 1_000_000_000
const TWO_32 = 2 ** 32
/** Of the upper half of an integer that a number has exactly. */
const SAFE_HIGH = 2 ** 20

const [QUOTE, BACKSLASH, MINUS, ZERO, SPACE] = [0x22, 0x5c, 0x2d, 0x30, 0x20] as const
const HEX = Buffer.from('0123456789abcdef')
/** By byte: the letter behind a backslash. */
const SHORT: ReadonlyMap<number, number> = new Map(
  [
    ['\b', 'b'],
    ['\t', 't'],
    ['\n', 'n'],
    ['\f', 'f'],
    ['\r', 'r'],
    ['"', '"'],
    ['\\', '\\'],
  ].map(([byte = '', letter = '']) => [byte.charCodeAt(0), letter.charCodeAt(0)]),
)

/**
 * Writes lines of JSON byte by byte, from the bytes of COPY's binary format, without a string or a BigInt between them: strings of
 * rows that are joined and encoded later took 24 µs a row, half of it the garbage collector's; this takes 1.
 */
export class LineWriter {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #start = 0
  #at = 0

  begin(): void {
    this.#start = this.#at
  }

  /** What was written since it was begun. Nothing else ever writes to it. */
  end(): Buffer {
    return this.#slab.subarray(this.#start, this.#at)
  }

  ascii(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    // Calls of Buffer's own take longer than these few bytes.
    const [slab, at] = [this.#slab, this.#at]
    for (let i = 0; i < bytes.length; i++) slab[at + i] = bytes[i] as number
    this.#at += bytes.length
  }

  /** UTF-8 as the string of a JSON text: the same bytes that `JSON.stringify` gives. */
  string(bytes: Buffer, start: number, end: number): void {
    this.#reserve((end - start) * LONGEST_ESCAPE + 2)
    const slab = this.#slab
    let at = this.#at
    slab[at++] = QUOTE
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number
      if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) slab[at++] = byte
      else at = escape(slab, at, byte)
    }
    slab[at++] = QUOTE
    this.#at = at
  }

  /** Bytes in hex, in quotes. */
  hex(bytes: Buffer, start: number, end: number): void {
    this.#reserve((end - start) * 2 + 2)
    const slab = this.#slab
    let at = this.#at
    slab[at++] = QUOTE
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number
      slab[at++] = HEX[byte >> 4] as number
      slab[at++] = HEX[byte & 15] as number
    }
    slab[at++] = QUOTE
    this.#at = at
  }

  /** Two's complement of 64 bits, big-endian, and something that is added to it, as digits in quotes. */
  int8(bytes: Buffer, start: number, added: number): void {
    this.#reserve(INTEGER_BYTES + 2)
    this.#slab[this.#at++] = QUOTE
    const [high, low] = [bytes.readInt32BE(start), bytes.readUInt32BE(start + 4)]
    if (high >= -SAFE_HIGH && high < SAFE_HIGH) this.#safe(high * TWO_32 + low + added)
    else if (high >= 0 && added === 0) this.#large(high, low)
    else this.#digits(String(bytes.readBigInt64BE(start) + BigInt(added)))
    this.#slab[this.#at++] = QUOTE
  }

  int4(value: number): void {
    this.#reserve(INTEGER_BYTES)
    this.#safe(value)
  }

  /** An integer that a number has exactly. */
  #safe(value: number): void {
    if (!Number.isSafeInteger(value)) return this.#digits(String(BigInt(value)))
    const size = Math.abs(value)
    if (value < 0) this.#slab[this.#at++] = MINUS
    const upper = Math.floor(size / TEN_9)
    if (upper === 0) return this.#short(size, 1)
    this.#short(upper, 1)
    this.#short(size - upper * TEN_9, 9)
  }

  /** In three steps of long division by 10^9, each of which a number has exactly. */
  #large(high: number, low: number): void {
    const first = Math.floor(high / TEN_9)
    const second = (high - first * TEN_9) * 65536 + (low >>> 16)
    const quotient = Math.floor(second / TEN_9)
    const third = (second - quotient * TEN_9) * 65536 + (low & 0xffff)
    const last = Math.floor(third / TEN_9)
    this.#safe(first * TWO_32 + quotient * 65536 + last)
    this.#short(third - last * TEN_9, 9)
  }

  /** @param width digits at least. Below 2^53 / 10^9, or nine digits */
  #short(value: number, width: number): void {
    let length = width
    for (let limit = 10 ** width; value >= limit; limit *= 10) length++
    let left = value
    for (let i = this.#at + length - 1; i >= this.#at; i--) {
      const next = Math.floor(left / 10)
      this.#slab[i] = ZERO + left - next * 10
      left = next
    }
    this.#at += length
  }

  #digits(text: string): void {
    this.#at += this.#slab.write(text, this.#at, 'latin1')
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#slab.length) return
    const begun = this.end()
    // Lines that were given away are of the old one.
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, (begun.length + bytes) * 2))
    this.#slab.set(begun)
    this.#at = begun.length
    this.#start = 0
  }
}

function escape(slab: Buffer, from: number, byte: number): number {
  let at = from
  slab[at++] = BACKSLASH
  const short = SHORT.get(byte)
  if (short !== undefined) {
    slab[at++] = short
    return at
  }
  slab[at++] = 0x75
  slab[at++] = ZERO
  slab[at++] = ZERO
  slab[at++] = HEX[byte >> 4] as number
  slab[at++] = HEX[byte & 15] as number
  return at
}

const FIRST_BYTES = 64 * 1024
/** What is kept from one message to the next: a single large one is not held for good. */
const MOST_KEPT_BYTES = 4 * 1024 * 1024
/** A varint of 64 bits, and a tag. */
const LONGEST_NUMBER = 10 + 2
const MOST_KEYS = 1024
const LONGEST_KEY = 64

const TWO_16 = 2 ** 16
const TWO_32 = 2 ** 32
const NS_PER_S = 1e9

const HEX = Uint8Array.from({ length: 128 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(digit) ? 0 : digit
})
const utf8 = new TextEncoder()

/**
 * Writes a protobuf message front to back, without knowing any length before: each is put in front when what it
 * counts is there. A tag is what stands before a field: its number times eight, and its wire type.
 */
export class ProtobufWriter {
  #bytes = new Uint8Array(FIRST_BYTES)
  #view = new DataView(this.#bytes.buffer)
  #at = 0
  /** Fields that are keys of attributes, with tag and length: the same few come again and again. */
  readonly #keys = new Map<string, Uint8Array>()

  /** @returns what was written since the last call, as a copy */
  take(): Uint8Array {
    const message = this.#bytes.slice(0, this.#at)
    this.#at = 0
    if (this.#bytes.length > MOST_KEPT_BYTES) this.#resize(FIRST_BYTES)
    return message
  }

  /** Begins a message that is a field. @returns what {@link close} is given when it is complete */
  open(tag: number): number {
    this.#room(LONGEST_NUMBER)
    this.#tag(tag)
    return this.#at++
  }

  /** Most are shorter than 128 bytes; a longer one is moved by what its length needs. */
  close(start: number): void {
    const length = this.#at - start - 1
    if (length < 128) {
      this.#bytes[start] = length
      return
    }
    const more = sizeOf(length) - 1
    this.#room(more)
    this.#bytes.copyWithin(start + 1 + more, start + 1, this.#at)
    this.#at = start
    this.#varint(length)
    this.#at += length
  }

  /** UTF-8; half of a surrogate pair is written as U+FFFD. */
  text(tag: number, text: string): void {
    const { length } = text
    this.#room(3 * length + LONGEST_NUMBER)
    this.#tag(tag)
    const bytes = this.#bytes
    const start = this.#at
    const first = start + (length < 128 ? 1 : sizeOf(length))
    let i = 0
    for (; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) break
      bytes[first + i] = code
    }
    if (i === length) {
      this.#varint(length)
      this.#at = first + length
      return
    }
    this.#at = start + 1 + utf8.encodeInto(text, bytes.subarray(start + 1)).written
    this.close(start)
  }

  /** The same for one of a few texts. */
  key(tag: number, text: string): void {
    const known = this.#keys.get(text)
    if (known === undefined) return this.#newKey(tag, text)
    const { length } = known
    this.#room(length)
    const bytes = this.#bytes
    const at = this.#at
    for (let i = 0; i < length; i++) bytes[at + i] = known[i] as number
    this.#at = at + length
  }

  #newKey(tag: number, text: string): void {
    this.text(tag, text)
    if (text.length > LONGEST_KEY || this.#keys.size >= MOST_KEYS) return
    const encoded = new ProtobufWriter()
    encoded.text(tag, text)
    this.#keys.set(text, encoded.take())
  }

  bytes(tag: number, value: Uint8Array): void {
    this.#room(value.length + LONGEST_NUMBER)
    this.#tag(tag)
    this.#varint(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
  }

  /** Bytes that are given as hex digits. */
  hex(tag: number, digits: string): void {
    const length = digits.length >> 1
    this.#room(length + LONGEST_NUMBER)
    this.#tag(tag)
    this.#varint(length)
    for (let i = 0; i < length; i++) {
      const high = HEX[digits.charCodeAt(2 * i)] ?? 0
      this.#bytes[this.#at++] = (high << 4) | (HEX[digits.charCodeAt(2 * i + 1)] ?? 0)
    }
  }

  /** @param value a whole number from -2^63 to 2^64 - 1 */
  integer(tag: number, value: number): void {
    this.#room(LONGEST_NUMBER)
    this.#tag(tag)
    if (value >= 0) return this.#varint(value)
    let rest = BigInt.asUintN(64, BigInt(value))
    for (; rest > 127n; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 127n) | 128
    this.#bytes[this.#at++] = Number(rest)
  }

  fixed32(tag: number, value: number): void {
    this.#room(LONGEST_NUMBER)
    this.#tag(tag)
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }

  double(tag: number, value: number): void {
    this.#room(LONGEST_NUMBER)
    this.#tag(tag)
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  /** Nanoseconds since the Unix epoch as a fixed64. Each step is exact in a double, where the product would not be. */
  time(tag: number, [seconds, nanoseconds]: readonly [number, number]): void {
    this.#room(LONGEST_NUMBER)
    this.#tag(tag)
    const below = (seconds % TWO_16) * NS_PER_S + nanoseconds
    const above = Math.floor(seconds / TWO_16) * NS_PER_S
    const low = (above % TWO_16) * TWO_16 + (below % TWO_32)
    const high = Math.floor(above / TWO_16) + Math.floor(below / TWO_32) + Math.floor(low / TWO_32)
    this.#view.setUint32(this.#at, low % TWO_32, true)
    this.#view.setUint32(this.#at + 4, high, true)
    this.#at += 8
  }

  #tag(tag: number): void {
    if (tag < 128) {
      this.#bytes[this.#at++] = tag
      return
    }
    this.#bytes[this.#at++] = (tag & 127) | 128
    this.#bytes[this.#at++] = tag >> 7
  }

  #varint(value: number): void {
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128
    this.#bytes[this.#at++] = rest
  }

  #room(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) this.#resize((this.#at + bytes) * 2)
  }

  #resize(length: number): void {
    const before = this.#bytes.subarray(0, this.#at)
    this.#bytes = new Uint8Array(length)
    this.#bytes.set(before)
    this.#view = new DataView(this.#bytes.buffer)
  }
}

/** Bytes of a varint. */
function sizeOf(value: number): number {
  let size = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++
  return size
}

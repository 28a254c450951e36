import { isUtf8 } from 'node:buffer'
import { Malformed } from './found-event.js'

/** Of a message of more bytes, JavaScript's bit operations would be wrong. */
const LONGEST_TAG_BYTES = 5
const LONGEST_VARINT_BYTES = 10

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5

/**
 * Walks one protobuf message, field by field, and reads nothing that it is not asked for.
 *
 * ```ts
 * for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
 *   if (tag === 10) reader.message(…)
 *   else reader.skip(tag)
 * }
 * ```
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class WireReader {
  readonly bytes: Buffer
  /** Where the next byte is. */
  at: number
  /** Behind the message. */
  end: number

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** Number and wire type of the next field; 0 at the end of the message. @throws Malformed */
  tag(): number {
    if (this.at >= this.end) return 0
    const tag = this.#uint32()
    if (tag >>> 3 === 0) throw new Malformed('a field has no number')
    return tag
  }

  /** Behind a field of a length: its bytes are from {@link at} to what is returned. @throws Malformed when it is cut */
  length(): number {
    const length = this.#uint32()
    const end = this.at + length
    if (end > this.end) throw new Malformed('a field is cut')
    return end
  }

  /** Steps over a field of whatever type. @throws Malformed for one that is cut, and for groups */
  skip(tag: number): void {
    switch (tag & 7) {
      case VARINT:
        this.#skipVarint()
        return
      case FIXED64:
        this.#skipBytes(8)
        return
      case LENGTH:
        this.at = this.length()
        return
      case FIXED32:
        this.#skipBytes(4)
        return
      default:
        throw new Malformed('a field has a wire type that is not used any more')
    }
  }

  /** @throws Malformed when it is cut */
  fixed64(): bigint {
    const { at } = this
    this.#skipBytes(8)
    return this.bytes.readBigUInt64LE(at)
  }

  /** @throws Malformed when it is cut */
  double(): number {
    const { at } = this
    this.#skipBytes(8)
    return this.bytes.readDoubleLE(at)
  }

  /** A signed number of 64 bits. @throws Malformed */
  int64(): bigint {
    let value = 0n
    let shift = 0n
    for (let i = 0; i < LONGEST_VARINT_BYTES; i++) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, value)
      shift += 7n
    }
    throw new Malformed('a number has too many bytes')
  }

  /** Whether a number is other than 0. @throws Malformed */
  bool(): boolean {
    let isSet = false
    for (let i = 0; i < LONGEST_VARINT_BYTES; i++) {
      const byte = this.#byte()
      isSet ||= (byte & 0x7f) !== 0
      if (byte < 0x80) return isSet
    }
    throw new Malformed('a number has too many bytes')
  }

  /** The text of a field of a length; undefined when it is not UTF-8. @throws Malformed when it is cut */
  text(): string | undefined {
    const end = this.length()
    const { at } = this
    this.at = end
    const text = this.bytes.toString('utf8', at, end)
    // What stands in the place of bytes that are none; a sender may have written it, too.
    if (text.includes('\u{fffd}') && !isUtf8(this.bytes.subarray(at, end))) return undefined
    return text
  }

  /** Lower-case hex digits of a field that has so many bytes; empty when it has others, or all of them are 0. @throws Malformed */
  id(bytes: 8 | 16): string {
    const end = this.length()
    const { at } = this
    this.at = end
    if (end - at !== bytes) return ''
    const id = this.bytes.toString('hex', at, end)
    return /^0+$/.test(id) ? '' : id
  }

  #uint32(): number {
    let value = 0
    for (let i = 0; i < LONGEST_TAG_BYTES; i++) {
      const byte = this.#byte()
      // Of the fifth byte four bits are left.
      if (i === 4 && byte > 0x0f) break
      value |= (byte & 0x7f) << (7 * i)
      if (byte < 0x80) return value >>> 0
    }
    throw new Malformed('a tag or a length has more than 32 bits')
  }

  #byte(): number {
    if (this.at >= this.end) throw new Malformed('a field is cut')
    return this.bytes[this.at++] as number
  }

  #skipVarint(): void {
    for (let i = 0; i < LONGEST_VARINT_BYTES; i++) if (this.#byte() < 0x80) return
    throw new Malformed('a number has too many bytes')
  }

  #skipBytes(count: number): void {
    this.at += count
    if (this.at > this.end) throw new Malformed('a field is cut')
  }
}

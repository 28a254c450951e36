import { Malformed } from './found-event.js'

/** Takes a body apart while it comes: each `ResourceSpans` or `ResourceLogs` in it by itself. */
export interface Slicer {
  /** @returns what is complete now. @throws Malformed, TooLarge */
  push(chunk: Buffer): readonly Buffer[]
  /** There is no more. @throws Malformed when something is missing */
  end(): void
  /** Bytes that are held of what is not complete. */
  readonly held: number
}

/** Something in the body has more bytes than can be held. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

const LENGTH = 2
const FIRST_FIELD = 0x0a
const MOST_HEADER_BYTES = 10

/** Of a protobuf request: its field 1, however often it comes. Other fields are stepped over without being held. */
export class ProtobufSlicer implements Slicer {
  readonly #largest: number
  #chunks: Buffer[] = []
  #held = 0
  /** Fewer bytes than so many are of no use. */
  #needed = 1
  /** Bytes to step over. */
  #skip = 0

  /** @param largest bytes of one slice */
  constructor(largest: number) {
    this.#largest = largest
  }

  get held(): number {
    return this.#held
  }

  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#skip === 0 && this.#held < this.#needed) return []
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held)
    const slices: Buffer[] = []
    let at = 0
    for (;;) {
      const skipped = Math.min(this.#skip, bytes.length - at)
      at += skipped
      this.#skip -= skipped
      if (at === bytes.length) break
      const field = headerAt(bytes, at)
      if (field === undefined) {
        this.#needed = bytes.length - at + 1
        break
      }
      if (!field.isOurs) {
        this.#skip = field.end - at
        continue
      }
      if (field.end - field.start > this.#largest) throw new TooLarge('one resource of the request')
      if (field.end > bytes.length) {
        this.#needed = field.end - at
        break
      }
      slices.push(bytes.subarray(field.start, field.end))
      at = field.end
    }
    const rest = bytes.subarray(at)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#held = rest.length
    if (rest.length === 0) this.#needed = 1
    return slices
  }

  end(): void {
    if (this.#held > 0 || this.#skip > 0) throw new Malformed('the request is cut')
  }
}

interface Field {
  readonly isOurs: boolean
  readonly start: number
  readonly end: number
}

/** @returns undefined when its header is not complete. @throws Malformed */
function headerAt(bytes: Buffer, at: number): Field | undefined {
  const tag = varintAt(bytes, at)
  if (tag === undefined) return undefined
  if (Math.floor(tag.value / 8) === 0) throw new Malformed('a field has no number')
  switch (tag.value % 8) {
    case 0: {
      const value = varintAt(bytes, tag.end)
      return value && { isOurs: false, start: value.end, end: value.end }
    }
    case 1:
      return { isOurs: false, start: tag.end, end: tag.end + 8 }
    case LENGTH: {
      const length = varintAt(bytes, tag.end)
      if (length === undefined) return undefined
      if (length.value > 0xffffffff) throw new Malformed('a tag or a length has more than 32 bits')
      return { isOurs: tag.value === FIRST_FIELD, start: length.end, end: length.end + length.value }
    }
    case 5:
      return { isOurs: false, start: tag.end, end: tag.end + 4 }
    default:
      throw new Malformed('a field has a wire type that is not used any more')
  }
}

function varintAt(bytes: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0
  let unit = 1
  for (let i = 0; i < MOST_HEADER_BYTES; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * unit
    if (byte < 0x80) return { value, end: at + i + 1 }
    unit *= 128
  }
  throw new Malformed('a number has too many bytes')
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d]
/** `{ "resourceSpans": [ {` */
const DEPTH_OF_SLICE = 3

/** Of a JSON request: each object in a list of the outermost object. Inside of them nothing is looked at but brackets. */
export class JsonSlicer implements Slicer {
  readonly #largest: number
  #parts: Buffer[] = []
  #held = 0
  #depth = 0
  #isText = false
  #isEscaped = false
  #hasBegun = false

  /** @param largest bytes of one slice */
  constructor(largest: number) {
    this.#largest = largest
  }

  get held(): number {
    return this.#held
  }

  push(chunk: Buffer): readonly Buffer[] {
    const slices: Buffer[] = []
    // Where the slice goes on in this chunk; -1: outside of one.
    let from = this.#depth >= DEPTH_OF_SLICE ? 0 : -1
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (this.#isText) {
        if (this.#isEscaped) this.#isEscaped = false
        else if (byte === BACKSLASH) this.#isEscaped = true
        else if (byte === QUOTE) this.#isText = false
      } else if (byte === QUOTE) {
        this.#isText = true
      } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        if (this.#depth === 0 && (this.#hasBegun || byte !== OPEN_OBJECT)) throw notJson()
        this.#hasBegun = true
        if (++this.#depth === DEPTH_OF_SLICE) from = at
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        if (--this.#depth < 0) throw notJson()
        if (this.#depth === DEPTH_OF_SLICE - 1) {
          slices.push(this.#slice(chunk.subarray(from, at + 1)))
          from = -1
        }
      }
    }
    if (from >= 0) {
      this.#parts.push(chunk.subarray(from))
      this.#held += chunk.length - from
      if (this.#held > this.#largest) throw new TooLarge('one resource of the request')
    }
    return slices
  }

  end(): void {
    if (!this.#hasBegun || this.#depth !== 0 || this.#isText) throw notJson()
  }

  #slice(last: Buffer): Buffer {
    const slice = this.#parts.length === 0 ? last : Buffer.concat([...this.#parts, last])
    this.#parts = []
    this.#held = 0
    return slice
  }
}

function notJson(): Malformed {
  return new Malformed('it is not a JSON object, or not a whole one')
}

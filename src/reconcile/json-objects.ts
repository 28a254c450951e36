const [QUOTE, BACKSLASH, LF] = [0x22, 0x5c, 0x0a]
const [OPEN, CLOSE, CLOSE_LIST] = [0x7b, 0x7d, 0x5d]
/** White space, commas and brackets: what stands between objects that follow each other, or are in an array. */
const BETWEEN: ReadonlySet<number> = new Set([0x20, 0x09, 0x0d, LF, 0x2c, 0x5b, CLOSE_LIST])
/** `{"Records": [` of CloudTrail's files, `{"Events": [` of its look-ups. */
const ENVELOPE = /^\{\s*"(?:Records|Events)"\s*:\s*\[/
/** Longest beginning of an envelope, with its white space. */
const ENVELOPE_LENGTH = 64

/** Of one object, in bytes. An event of CloudTrail has at most 256 KiB. */
export const LONGEST_OBJECT = 16 * 1024 * 1024

/** `tail`: what follows the array in an envelope. `junk`: what is not JSON, up to the end of its line. */
type Place = 'between' | 'object' | 'tail' | 'junk'

/**
 * Takes the objects out of JSON as its bytes come, holding one at a time: one after the other, in an array, or in one of
 * CloudTrail's envelopes.
 */
export class JsonObjects {
  #place: Place = 'between'
  /** Whether the array that ends next is that of an envelope. */
  #isEnveloped = false
  #depth = 0
  #isText = false
  #isEscaped = false
  #rest: Buffer = Buffer.alloc(0)
  #passedOver = 0
  #malformed = 0

  /** What was not an object, was longer than {@link LONGEST_OBJECT}, or was cut off. */
  get malformed(): number {
    return this.#malformed
  }

  *take(chunk: Uint8Array): Generator<Buffer, void> {
    yield* this.#scan(Buffer.concat([this.#rest, chunk]), this.#rest.length, false)
  }

  /** What is left, which should be nothing. */
  *end(): Generator<Buffer, void> {
    // The beginning of an envelope may still have been awaited.
    if (this.#place === 'between' && this.#rest.length > 0) yield* this.#scan(this.#rest, 0, true)
    if (this.#place === 'object') this.#malformed++
  }

  *#scan(bytes: Buffer, start: number, isEnd: boolean): Generator<Buffer, void> {
    // Where the object begins that is read, and below which nothing is needed any more.
    let from = 0
    let at = this.#place === 'between' ? 0 : start
    for (; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0
      if (this.#place === 'between') {
        if (byte === OPEN && !isEnd && bytes.length - at < ENVELOPE_LENGTH) break
        at += this.#begin(byte, bytes.subarray(at, at + ENVELOPE_LENGTH))
        from = at
      } else if (this.#place === 'junk') {
        if (byte === LF) this.#place = 'between'
      } else if (this.#isText) {
        this.#passText(byte)
      } else if (byte === QUOTE) {
        this.#isText = true
      } else if (byte === OPEN) {
        this.#depth++
      } else if (byte === CLOSE && --this.#depth === 0) {
        if (this.#place === 'object') yield* this.#ended(bytes.subarray(from, at + 1))
        this.#place = 'between'
        from = at + 1
      }
    }
    this.#keep(bytes, this.#place === 'object' ? from : at)
  }

  /** Something other than an object is between two of them. @returns how many bytes more are passed over */
  #begin(byte: number, head: Buffer): number {
    if (byte === OPEN) {
      const envelope = ENVELOPE.exec(head.toString('latin1'))?.[0]
      this.#isEnveloped ||= envelope !== undefined
      if (envelope !== undefined) return envelope.length - 1
      this.#place = 'object'
      this.#depth = 1
      this.#passedOver = 0
    } else if (byte === CLOSE_LIST && this.#isEnveloped) {
      this.#isEnveloped = false
      this.#place = 'tail'
      this.#depth = 1
    } else if (!BETWEEN.has(byte)) {
      this.#malformed++
      this.#place = 'junk'
    }
    return 0
  }

  #passText(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (byte === BACKSLASH) this.#isEscaped = true
    else if (byte === QUOTE) this.#isText = false
  }

  *#ended(object: Buffer): Generator<Buffer, void> {
    if (this.#passedOver > 0 || object.length > LONGEST_OBJECT) this.#malformed++
    else yield object
  }

  /** Of an object that is too long nothing is kept but that it is one. */
  #keep(bytes: Buffer, from: number): void {
    const length = bytes.length - from
    const isTooLong = this.#place === 'object' && (this.#passedOver > 0 || length > LONGEST_OBJECT)
    if (isTooLong) this.#passedOver += length
    this.#rest = isTooLong ? Buffer.alloc(0) : Buffer.from(bytes.subarray(from))
  }
}

const LF = 0x0a
const CR = 0x0d
const QUOTE = 0x22
/** Of one piece, in bytes: no row of ours has as many. */
const LONGEST = 64 * 1024 * 1024

/** Splits a file into pieces, as its chunks come. Each has the line end that it ends with. */
abstract class Pieces {
  #rest: Buffer = Buffer.alloc(0)

  protected abstract endsAt(bytes: Buffer, at: number): boolean

  *take(chunk: Uint8Array): Generator<Buffer, void> {
    const bytes = Buffer.concat([this.#rest, chunk])
    let from = 0
    for (let at = this.#rest.length; at < bytes.length; at++) {
      if (!this.endsAt(bytes, at) && at - from < LONGEST) continue
      yield bytes.subarray(from, at + 1)
      from = at + 1
    }
    this.#rest = Buffer.from(bytes.subarray(from))
  }

  /** What is left, which should be nothing. */
  *end(): Generator<Buffer, void> {
    if (this.#rest.length > 0) yield this.#rest
  }
}

/** The lines of NDJSON. */
export class Lines extends Pieces {
  protected endsAt(bytes: Buffer, at: number): boolean {
    return bytes[at] === LF
  }
}

/** The records of CSV (RFC 4180): a line break between quotes is text. */
export class CsvRecords extends Pieces {
  #isQuoted = false

  protected endsAt(bytes: Buffer, at: number): boolean {
    if (bytes[at] === QUOTE) this.#isQuoted = !this.#isQuoted
    return !this.#isQuoted && bytes[at] === LF && bytes[at - 1] === CR
  }
}

const LENGTH_BYTES = 4
/** Before the value of a column in a record: its type and its length. */
const TYPE_BYTES = 4
const FIELDS_BYTES = 2

/**
 * Tuples of COPY's binary format, made of what the writer sends: records as `record_send` gives them, in which each
 * column has its type beside it.
 */
export class CopyTuples {
  #buffer = Buffer.allocUnsafeSlow(1 << 18)
  #at = 0

  /** Bytes that {@link take} would give. */
  get length(): number {
    return this.#at
  }

  /**
   * Adds one record as a tuple, which has one more column of 64 bits behind the record's own if there is a value for it.
   *
   * @param from where the record begins, with the number of its columns
   * @returns where it ends
   */
  add(record: Buffer, from: number, last?: bigint): number {
    const columns = record.readInt32BE(from)
    this.#int16(columns + (last === undefined ? 0 : 1))
    let at = from + LENGTH_BYTES
    for (let column = 0; column < columns; column++) {
      const length = Math.max(0, record.readInt32BE(at + TYPE_BYTES))
      const end = at + TYPE_BYTES + LENGTH_BYTES + length
      this.#copy(record, at + TYPE_BYTES, end)
      at = end
    }
    if (last !== undefined) this.#int64(last)
    return at
  }

  /** The tuples so far. They are written over by the next ones. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#at)
    this.#at = 0
    return taken
  }

  /** Byte by byte: most columns are shorter than what it takes to call something. */
  #copy(from: Buffer, start: number, end: number): void {
    this.#reserve(end - start)
    const to = this.#buffer
    for (let at = start, out = this.#at; at < end; at++, out++) to[out] = from[at] as number
    this.#at += end - start
  }

  #int16(value: number): void {
    this.#reserve(FIELDS_BYTES)
    this.#at = this.#buffer.writeInt16BE(value, this.#at)
  }

  #int64(value: bigint): void {
    this.#reserve(LENGTH_BYTES + 8)
    this.#at = this.#buffer.writeInt32BE(8, this.#at)
    this.#at = this.#buffer.writeBigInt64BE(value, this.#at)
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow((this.#at + bytes) * 2)
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

import type { BlockColumns } from '../../chain/block-columns.js'
import type { RowBlock } from '../../verify/source.js'

/** Fields of a tuple of COPY's binary format, one by one. NULL, where a column of ours cannot be NULL, is an attacker's: it reads as nothing. */
class Fields {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  bytes(): Buffer | null {
    const length = this.#bytes.readInt32BE(this.#at)
    const start = this.#at + 4
    this.#at = start + Math.max(0, length)
    return length < 0 ? null : Buffer.from(this.#bytes.subarray(start, this.#at))
  }

  text(): string {
    return this.bytes()?.toString() ?? ''
  }

  hex(): string {
    return this.bytes()?.toString('hex') ?? ''
  }

  hash(): Buffer {
    return this.bytes() ?? Buffer.alloc(0)
  }

  int8(): bigint | null {
    return this.bytes()?.readBigInt64BE() ?? null
  }

  int4(): number {
    return this.bytes()?.readInt32BE() ?? -1
  }
}

/** A block, in the order of `blockSelect`. */
export function readBlock(bytes: Buffer, at: number): BlockColumns {
  const fields = new Fields(bytes, at)
  return {
    chainId: fields.hex(),
    blockNo: fields.int8() ?? -1n,
    log: fields.text(),
    kind: fields.text(),
    prevHash: fields.hash(),
    minId: fields.int8(),
    maxId: fields.int8(),
    root: fields.hash(),
    rowCount: fields.int4(),
    rowTotal: fields.int8() ?? -1n,
    lostTotal: fields.int8() ?? -1n,
    blockTime: fields.int8() ?? -1n,
    body: fields.text(),
    signatures: fields.text(),
  }
}

/** A block as far as its rows need it, in the order of `trail-row-blocks.sql`. */
export function readRowBlock(bytes: Buffer, at: number): RowBlock {
  const fields = new Fields(bytes, at)
  return {
    chain: fields.hex(),
    block: Number(fields.int8() ?? -1n),
    minId: fields.int8() ?? 0n,
    maxId: fields.int8() ?? 0n,
    rowCount: fields.int4(),
    root: fields.hash(),
  }
}

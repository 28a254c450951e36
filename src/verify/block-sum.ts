import { randomBytes } from 'node:crypto'
import { sha256 } from '../event/sha256.js'
import type { RowBlock } from './source.js'

const KEY_BYTES = 32
/** Chain, number, ids and rows: what is hashed before the root. */
const HEAD_BYTES = 16 + 8 + 8 + 8 + 4
const MODULUS = 1n << 256n

/**
 * What a store said about its blocks, in one number that does not depend on the order.
 *
 * Blocks are read twice, chain by chain and in the order of their ids, and the store may be an attacker's, who answers
 * the second time with other ones. Each block is hashed with random bytes of this run, which the store does not learn, and
 * the hashes are added: two reads with the same sum and the same count are, but for 2^-256, of the same blocks. Added and
 * not XORed, since a block twice would then be as good as none.
 */
export class BlockSums {
  readonly #key = randomBytes(KEY_BYTES)

  /** Of one read. */
  start(): BlockSum {
    return new BlockSum(this.#key)
  }
}

export class BlockSum {
  readonly #input: Buffer
  #sum = 0n
  #count = 0

  /** @param key the same for the reads that are compared */
  constructor(key: Uint8Array) {
    this.#input = Buffer.alloc(KEY_BYTES + HEAD_BYTES)
    this.#input.set(key)
  }

  add({ chain, block, minId, maxId, rowCount, root }: RowBlock): void {
    const input = this.#input
    let at = KEY_BYTES
    input.fill(0, at, at + 16)
    input.write(chain, at, 16, 'hex')
    at = input.writeDoubleBE(block, at + 16)
    at = input.writeBigInt64BE(minId, at)
    at = input.writeBigInt64BE(maxId, at)
    input.writeInt32BE(rowCount, at)
    const hash = sha256(Buffer.concat([input, root]))
    this.#sum = (this.#sum + BigInt(`0x${hash.toString('hex')}`)) % MODULUS
    this.#count++
  }

  equals(other: BlockSum): boolean {
    return this.#count === other.#count && this.#sum === other.#sum
  }
}

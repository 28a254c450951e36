import { randomBytes } from '../host/crypto.js'
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

/** A sum that two lists of the same things have, in whatever order. */
export class KeyedSum {
  readonly #key: Uint8Array
  #sum = 0n
  #count = 0

  /** @param key the same for what is compared, and known to nobody who has a say in it */
  constructor(key: Uint8Array) {
    this.#key = key
  }

  get count(): number {
    return this.#count
  }

  add(bytes: Uint8Array): void {
    this.#sum = (this.#sum + keyedHash(this.#key, bytes)) % MODULUS
    this.#count++
  }

  equals(other: KeyedSum): boolean {
    return this.#count === other.#count && this.#sum === other.#sum
  }
}

/** What is added for the bytes: 256 bits. */
export function keyedHash(key: Uint8Array, bytes: Uint8Array): bigint {
  return BigInt(`0x${sha256(Buffer.concat([key, bytes])).toString('hex')}`)
}

export class BlockSum {
  readonly #sum: KeyedSum

  constructor(key: Uint8Array) {
    this.#sum = new KeyedSum(key)
  }

  add(block: RowBlock): void {
    this.#sum.add(bytesOfBlock(block))
  }

  equals(other: BlockSum): boolean {
    return this.#sum.equals(other.#sum)
  }
}

/** Of a block all that rows are held against. */
export function bytesOfBlock({ chain, block, minId, maxId, rowCount, root }: RowBlock): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.write(chain, 0, 16, 'hex')
  let at = head.writeDoubleBE(block, 16)
  at = head.writeBigInt64BE(minId, at)
  at = head.writeBigInt64BE(maxId, at)
  head.writeInt32BE(rowCount, at)
  return Buffer.concat([head, root])
}

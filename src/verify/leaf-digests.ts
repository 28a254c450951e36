import { toHex } from '../chain/hash.js'
import { sha256 } from '../event/sha256.js'
import type { FindingLog } from './finding.js'

/** What is left of a row that was retired, where its block also has rows that were not. */
export interface LeafDigest {
  /** 32 hex digits. */
  readonly chain: string
  readonly block: number
  readonly index: number
  /** Of the event, 32 bytes. */
  readonly digest: Uint8Array
}

/** Far more than the blocks that reach over a bound have rows: whoever may write is not to decide how much memory this takes. */
const MOST_LEAVES = 2_000_000

/** Leaf digests by chain and block. */
export class LeafDigests {
  readonly #byBlock = new Map<string, Map<number, Uint8Array>>()
  #count = 0

  get count(): number {
    return this.#count
  }

  add({ chain, block, index, digest }: LeafDigest): void {
    if (this.#count >= MOST_LEAVES) return
    this.#count++
    const key = `${chain} ${block}`
    const known = this.#byBlock.get(key)
    if (known === undefined) this.#byBlock.set(key, new Map([[index, digest]]))
    else known.set(index, digest)
  }

  /** By index. Undefined: none is known of that block. */
  of(chain: string, block: number): ReadonlyMap<number, Uint8Array> | undefined {
    return this.#byBlock.get(`${chain} ${block}`)
  }
}

/** How many leaf digests there are, and a sum over them that does not depend on their order. */
export interface LeafSet {
  readonly count: number
  /** 64 hex digits. */
  readonly sum: string
}

const MODULUS = 1n << 256n
const SET_DOMAIN = Buffer.from('otel-audit/leaves/v1\n')

/** Sums up leaf digests: what a retention note says of those of a month. */
export class LeafSum {
  #count = 0
  #sum = 0n

  add({ chain, block, index, digest }: LeafDigest): void {
    const place = Buffer.alloc(16 + 8 + 4)
    place.write(chain, 0, 16, 'hex')
    place.writeBigUInt64BE(BigInt(block), 16)
    place.writeUInt32BE(index, 24)
    const hash = sha256(Buffer.concat([SET_DOMAIN, place, digest]))
    this.#sum = (this.#sum + BigInt(`0x${toHex(hash)}`)) % MODULUS
    this.#count++
  }

  get set(): LeafSet {
    return { count: this.#count, sum: this.#sum.toString(16).padStart(64, '0') }
  }
}

/** A finding for each retired range whose leaf digests are not those that its note has signed. */
export function checkLeafSets(
  signed: readonly { readonly name: string; readonly leaves: LeafSet }[],
  found: ReadonlyMap<string, LeafSum>,
  findings: FindingLog,
): void {
  for (const { name, leaves } of signed) {
    const { count, sum } = (found.get(name) ?? new LeafSum()).set
    if (count === leaves.count && sum === leaves.sum) continue
    const what = `the leaf digests of ${name} are not those that the retention key has signed: ${count} in place of ${leaves.count}`
    findings.add('leaf-altered', what, {})
  }
}

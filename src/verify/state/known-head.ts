import type { BlockColumns } from '../../chain/block-columns.js'
import { textOfColumns } from '../../chain/block-columns.js'
import { blockHash } from '../../chain/block.js'
import { sameBytes } from '../../chain/hash.js'
import type { FindingLog } from '../finding.js'
import type { ChainPoint } from '../chain-point.js'

/** The block of a chain that an earlier verification has come to: it has to be there, and the same. */
export class KnownHead {
  readonly #point: ChainPoint
  readonly #findings: FindingLog
  #isSeen = false
  #isSame = false

  constructor(point: ChainPoint, findings: FindingLog) {
    this.#point = point
    this.#findings = findings
  }

  /** @param hash of the block, where it is known already */
  see(columns: BlockColumns, hash?: Uint8Array): void {
    const { chain, last } = this.#point
    if (columns.blockNo !== BigInt(last.number) || this.#isSeen) return
    this.#isSeen = true
    this.#isSame = sameBytes(hash ?? blockHash(textOfColumns(columns)), this.#point.hash)
    if (this.#isSame) return
    const what = 'it is not the block that the verification before has seen'
    this.#findings.add('head-mismatch', what, { chain, block: last.number })
  }

  /** No more blocks of the chain come. @returns whether the head is there */
  end(): boolean {
    const { chain, last } = this.#point
    if (!this.#isSeen) {
      const what = 'the verification before has seen this block, and it is not there'
      this.#findings.add('head-missing', what, { chain, block: last.number })
    }
    return this.#isSame
  }
}

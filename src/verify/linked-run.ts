import type { Block } from '../chain/block.js'
import type { VerifierKey } from '../chain/note-key.js'
import type { SignatureChecks } from './signature-checks.js'

/** A block as it was read. */
export interface ReadBlock {
  readonly block: Block
  readonly text: string
  /** SHA-256 of the text. */
  readonly hash: Buffer
  readonly signatures: string
}

/** A block of a run that has ended. */
export interface Judged extends ReadBlock {
  /** Why its signature does not hold, where nothing else proves it either. */
  readonly problem: string | undefined
}

/**
 * Blocks of one chain under one key, each of which follows the one before by number and names its hash: at most as many
 * as a key may sign. Who signs the last one vouches for the texts of all, so only that signature is checked. Where it
 * does not hold the one before is the last, and so on.
 */
export class LinkedRun {
  readonly #chain: string
  readonly #checks: SignatureChecks
  #blocks: ReadBlock[] = []

  constructor(chain: string, checks: SignatureChecks) {
    this.#chain = chain
    this.#checks = checks
  }

  /** @param block that names the last one of the run; or the one that was proven before it */
  add(block: ReadBlock): void {
    this.#blocks.push(block)
  }

  /** @returns all of them, in their order. The run is empty afterwards */
  end(key: VerifierKey): readonly Judged[] {
    const blocks = this.#blocks
    this.#blocks = []
    const refuted: Judged[] = []
    for (let last = blocks.pop(); last !== undefined; last = blocks.pop()) {
      const problem = this.#checks.check(last, key)
      if (problem === undefined) {
        for (const { block, text, signatures } of blocks)
          this.#checks.skip({ chain: this.#chain, number: block.number, text, signatures, key })
        blocks.push(last)
        break
      }
      refuted.push({ ...last, problem })
    }
    return [...blocks.map((block) => ({ ...block, problem: undefined })), ...refuted.toReversed()]
  }
}

/** What of a block does not follow from the one before it: names of counters, or nothing. */
export function brokenCounters(
  block: Pick<Block, 'rowsTotal' | 'rows' | 'lost' | 'time'>,
  last: Pick<Block, 'rowsTotal' | 'lost' | 'time'>,
): readonly string[] {
  return [
    block.rowsTotal === last.rowsTotal + block.rows ? '' : 'rows',
    block.lost >= last.lost ? '' : 'losses',
    block.time >= last.time ? '' : 'time',
  ].filter(Boolean)
}

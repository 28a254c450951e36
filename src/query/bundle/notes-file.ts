import { sha256 } from '../../event/sha256.js'
import type { RowProof } from '../../verify/row-proof.js'

/** The notes that some proofs name, each once, in the order in which they come first. */
export class NotesFile {
  readonly #seen = new Set<string>()

  /** @returns those that were not there before, one after the other */
  add({ keys, block }: Pick<RowProof, 'keys' | 'block'>): string {
    return [...keys, block].filter((note) => this.#isNew(note)).join('')
  }

  #isNew(note: string): boolean {
    const digest = sha256(note).toString('base64')
    if (this.#seen.has(digest)) return false
    this.#seen.add(digest)
    return true
  }
}

import { type Block, BLOCKS_PER_KEY, chainIdOf, isKeyOverdue } from '../chain/block.js'
import { looksSigned } from '../chain/note.js'
import { VerifierKey } from '../chain/note-key.js'
import type { FindingLog } from './finding.js'
import { signatureProblem } from './genesis.js'
import type { ReadBlock } from './linked-run.js'
import type { SignatureChecks } from './signature-checks.js'

/** The key that is current at one place of a chain: genesis brings it in, and each rotation the next one. */
export class CurrentKey {
  readonly #chain: string
  readonly #findings: FindingLog
  readonly #checks: SignatureChecks
  #key: VerifierKey | undefined
  /** Number of the block that brought it in. */
  #from = 0
  #isOverdue = false
  #mayBeLost = false
  #isForeign = false

  constructor(chain: string, findings: FindingLog, checks: SignatureChecks) {
    this.#chain = chain
    this.#findings = findings
    this.#checks = checks
  }

  /** Undefined before genesis, and where blocks are missing that may have brought in another one. */
  get key(): VerifierKey | undefined {
    return this.#key
  }

  /** Number of the block that brought it in. */
  get from(): number {
    return this.#from
  }

  /** What it signs is proven. */
  get proves(): boolean {
    return this.#key !== undefined && !this.#isForeign && !this.#isOverdue
  }

  begin({ writer = '' }: Block): void {
    this.#key = VerifierKey.parse(writer)
    if (chainIdOf(this.#key.publicKey) === this.#chain) return
    this.#isForeign = true
    this.#find('chain-id', 0, 'the id is not that of the key in the genesis block')
  }

  /** It is not the one that was current here: nothing that comes is proven, and it is said already. */
  lose(): void {
    this.#key = undefined
  }

  /** The key of a chain that was walked before, as far as here. */
  resume(key: string, from: number): void {
    this.#key = VerifierKey.parse(key)
    this.#from = from
  }

  /** Blocks are missing: a rotation may be among them. */
  doubt(): void {
    this.#mayBeLost = true
  }

  /** It may sign the block, and the lines look as if it had. */
  maySign({ block, signatures }: ReadBlock): boolean {
    return this.#key !== undefined && !isKeyOverdue(block, this.#from) && looksSigned(signatures, this.#key)
  }

  /** Whether it has signed the block, and so has the key that the block brings in. */
  hasSigned({ block, text, signatures }: Omit<ReadBlock, 'hash'>): boolean {
    // Said once, with what is missing before.
    if (this.#key === undefined) return false
    const { number, kind, writer = '' } = block
    const problem = this.#checks.check({ text, signatures }, this.#key)
    if (problem !== undefined) {
      const isKnown = this.#mayBeLost
      if (isKnown) this.#key = undefined
      const hint = isKnown
        ? '; a rotation may be among the missing blocks: no later block can be verified'
        : ''
      this.#find('block-signature', number, `${problem}${hint}`)
      return false
    }
    this.#mayBeLost = false
    this.#checkAge(block)
    if (kind !== 'rotate') return true
    const next = VerifierKey.parse(writer)
    const nextProblem = signatureProblem(text, signatures, [next])
    if (nextProblem !== undefined) this.#find('block-signature', number, `the new key: ${nextProblem}`)
    this.#key = next
    this.#from = number
    this.#isOverdue = false
    return nextProblem === undefined
  }

  /** Said once for each key. */
  #checkAge(block: Block): void {
    if (this.#isOverdue || !isKeyOverdue(block, this.#from)) return
    this.#isOverdue = true
    const limit = `a key signs for ${BLOCKS_PER_KEY} blocks at most`
    this.#find('block-signature', block.number, `the key of block ${this.#from} has signed it: ${limit}`)
  }

  #find(code: 'chain-id' | 'block-signature', block: number, detail: string): void {
    this.#findings.add(code, detail, { chain: this.#chain, block })
  }
}

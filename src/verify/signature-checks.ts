import type { VerifierKey } from '../chain/note-key.js'
import { randomInt } from '../host/crypto.js'
import type { FindingLog } from './finding.js'
import { signatureProblem } from './genesis.js'

/** A block whose place in a chain proves its text, and whose own signature need not be looked at. */
export interface Skipped {
  /** 32 hex digits. */
  readonly chain: string
  readonly number: number
  readonly text: string
  readonly signatures: string
  readonly key: VerifierKey
}

/** Of how many blocks the own signature was checked. */
export interface SignatureCoverage {
  readonly checked: number
  readonly of: number
}

/** How many of the skipped are checked, */
const SAMPLE = 1000
/** of each so many: the first 1,000 in any case, and 1 % at least. */
const OF_SKIPPED = 100 * SAMPLE

/**
 * Which signatures are checked, of all chains of one verification.
 *
 * Those that are skipped prove nothing that is not proven without them. Still nobody is to be sure that one that he
 * replaced is not looked at: some are checked all the same, chosen by randomness of this run, whatever the store says
 * about how many there are.
 */
export class SignatureChecks {
  /** Nothing is skipped. */
  readonly every: boolean
  readonly #findings: FindingLog
  readonly #sample: Skipped[] = []
  /** Since the last sample was checked. */
  #skipped = 0
  #checked = 0
  #of = 0

  constructor(every: boolean, findings: FindingLog) {
    this.every = every
    this.#findings = findings
  }

  get coverage(): SignatureCoverage {
    return { checked: this.#checked, of: this.#of }
  }

  /** A block has come by. */
  see(): void {
    this.#of++
  }

  /** @returns why the key has not signed the text */
  check({ text, signatures }: Pick<Skipped, 'text' | 'signatures'>, key: VerifierKey): string | undefined {
    this.#checked++
    return signatureProblem(text, signatures, [key])
  }

  /** Reservoir sampling: at any time, each of the skipped is as likely to be in the sample. Source: Vitter, algorithm R. */
  skip(block: Skipped): void {
    const at = this.#skipped < SAMPLE ? this.#skipped : randomInt(this.#skipped + 1)
    if (at < SAMPLE) this.#sample[at] = block
    if (++this.#skipped === OF_SKIPPED) this.end()
  }

  /** Checks the sample. */
  end(): void {
    this.#skipped = 0
    for (const block of this.#sample.splice(0)) {
      const problem = this.check(block, block.key)
      if (problem === undefined) continue
      const { chain, number } = block
      this.#findings.add('block-signature', problem, { chain, block: number })
    }
  }
}

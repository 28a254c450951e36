/**
 * Everything a verifier can find. The closed set of codes; `docs/integrity.md` is held against it.
 */
export const FINDINGS = Object.freeze({
  'chain-id': 'The chain’s id is not that of the key in its genesis block.',
  'chain-origin': 'The block belongs to another log.',
  'chain-unenrolled': 'No enrolment key of the trust file has signed the genesis block.',
  'chain-missing': 'A chain that another chain continues is not there.',
  'block-malformed': 'The columns do not make the text of a block.',
  'block-signature': 'The block is not signed by the key that was current.',
  'block-missing': 'Blocks are missing.',
  'block-repeated': 'A number is there more than once.',
  'block-prev': 'The block does not name the one before it.',
  'block-counters': 'Rows, losses or time do not follow from the block before.',
  'block-after-close': 'The chain was closed before this block.',
  'block-root': 'The rows are not those that were signed.',
  'row-changed': 'The row is not the one whose digest was stored with it.',
  'row-missing': 'Rows of the block are missing.',
  'row-misplaced':
    'The row is not in its place: it is one too many, out of order, or says only half of where it is.',
  'row-without-block': 'The row names a block that is not there, or does not reach so far.',
  'row-unsigned': 'The row has no block, and the trust file says that it must have one.',
  'anchor-mismatch': 'An anchor says something else of the block, or of a row of it.',
  'anchor-missing': 'An anchor says a block that is not there.',
  'export-file': 'The exported file is not the one of its manifest.',
  'export-rows': 'The same export gives other rows now than its manifest says.',
})

export type FindingCode = keyof typeof FINDINGS

/** One thing that is not as it was signed, or cannot be. */
export interface Finding {
  readonly code: FindingCode
  /** In one line, without any text of a row. */
  readonly message: string
  /** 32 hex digits. */
  readonly chain?: string | undefined
  readonly block?: number | undefined
  readonly auditId?: bigint | undefined
}

/** Where findings go, and how many of each there were. */
export class FindingLog {
  readonly counts = new Map<FindingCode, number>()
  /** Chains of which anything was found. */
  readonly chains = new Set<string>()
  readonly #onFinding: (finding: Finding) => void

  constructor(onFinding: (finding: Finding) => void) {
    this.#onFinding = onFinding
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0)
  }

  add(code: FindingCode, detail: string, place: Omit<Finding, 'code' | 'message'>): void {
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1)
    if (place.chain !== undefined) this.chains.add(place.chain)
    this.#onFinding({ code, message: detail, ...place })
  }
}

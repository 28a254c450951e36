/** What was found out about one row by checking it, its block and its chain. */
export interface RowEvidence {
  /** `verified` was computed; `unsigned` rows have no block; `not-verified` contradicts its block or chain. */
  readonly status: 'verified' | 'not-verified' | 'unsigned'
  /** What contradicts, for people. Empty unless `not-verified`. */
  readonly findings: readonly string[]
  /** The signed block, as a note; `null` without one. */
  readonly block: string | null
  /** The hashes that lead from the row to the block's root, base64. */
  readonly proof: readonly string[]
}

/** Computes the evidence of a row. Whoever has it can pass it to the server; without it a row says `evidence: null`. */
export interface EvidenceSource {
  /** @returns undefined when there is no such row */
  evidenceOf(auditId: bigint): Promise<RowEvidence | undefined>
}

import { JSON } from '../host/globals.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { checkRowProof, type RowProof } from '../verify/row-proof.js'
import { NO_TRUST, type Trust } from '../verify/trust.js'
import { AuditError } from '../errors.js'
import { checkTextOrSource } from '../host/check.js'
import { givenOptions } from '../host/own.js'
import { checkSchemaName, DEFAULT_SCHEMA } from '../postgres/schema-name.js'
import { eventDigest } from '../event/digest.js'
import { proofOfRow } from '../postgres/read/row-proof.js'
import { rowOf, type TrailRow } from './row.js'
import { isAnchored } from './anchored.js'
import { Snapshot } from '../postgres/read/snapshot.js'

/** What was found out about one row by checking it, its block and its chain. */
export interface RowVerdict {
  /** `verified` was computed; `unsigned` rows have no block; `not-verified` contradicts its block or chain. */
  readonly status: 'verified' | 'not-verified' | 'unsigned'
  /** What contradicts, for people. Empty unless `not-verified`. */
  readonly findings: readonly string[]
  /** The signed block, as a note; `null` without one. */
  readonly block: string | null
  /** The hashes that lead from the row to the block's root, base64. */
  readonly proof: readonly string[]
  /** Of a `verified` row: an enrolment key of the trust file has signed its chain's first block. */
  readonly vouched?: boolean | undefined
  /** Of a `verified` row: the trust file names its block, or a later one of its chain that it leads to. */
  readonly anchored?: boolean | undefined
  /** Of a `verified` row: what was proven of it. Whoever shows the row shows this, and not what another read said. */
  readonly proven?: ProvenColumns | undefined
}

/** All but when it was recorded, which no signature covers. */
export type ProvenColumns = Omit<TrailRow, 'recorded_at'>

/** Computes the evidence of a row. Passed to the server; without it a row says `evidence: null`. */
export interface EvidenceSource {
  /** @returns undefined when there is no such row */
  evidenceOf(auditId: bigint): Promise<RowVerdict | undefined>
}

/** Where the trail is that is checked, and what is known of it from elsewhere. */
export interface ComputedEvidenceOptions {
  /** `postgres://…`, as a login with the reader role. */
  readonly databaseUrl: DatabaseUrl
  /** Default: `noetl`. */
  readonly schema?: string | undefined
  /** What an auditor knows from elsewhere. Default: nothing, so no chain is known to be the operator's. */
  readonly trust?: Trust | undefined
}

/**
 * Proves rows one by one, as `otel-audit verify --row` does: the row's digest from its columns, its place in the block, the
 * block's signature by the key that was current, and that key from the chain's own id. Each time on a new snapshot.
 *
 * It says nothing about rows that are not there any more: that takes `otel-audit verify` over the whole trail.
 */
export class ComputedEvidence implements EvidenceSource {
  readonly #options: ComputedEvidenceOptions & { readonly schema: string }

  /** @throws AuditError `AUDIT_INVALID_OPTION` for an option that is not one */
  constructor(given: ComputedEvidenceOptions) {
    const { databaseUrl, schema, trust } = givenOptions(given)
    checkTextOrSource('databaseUrl', databaseUrl)
    this.#options = { databaseUrl, schema: checkSchemaName(schema ?? DEFAULT_SCHEMA), trust }
  }

  /** @throws AuditError `AUDIT_UNAVAILABLE`, `AUDIT_SCHEMA` or `AUDIT_TRAIL` when the trail cannot be read */
  async evidenceOf(auditId: bigint): Promise<RowVerdict | undefined> {
    const { databaseUrl, schema, trust = NO_TRUST } = this.#options
    const { trails = [] } = trust
    const reader = await Snapshot.open({ databaseUrl, schema, trails })
    let proof: RowProof | undefined
    try {
      const provable = await proofOfRow(reader, auditId)
      if (provable === 'no row') return undefined
      if (provable === 'no block') return { status: 'unsigned', findings: [], block: null, proof: [] }
      proof = provable
      // What nobody has said of the trail from elsewhere, the store says itself.
      const here = trails.length > 0 ? trust : { ...trust, trails: [await reader.trail()] }
      const { event, block, index, enrolled } = checkRowProof(JSON.stringify(proof), here)
      if (event.auditId !== auditId) throw new AuditError('AUDIT_EVIDENCE_REFUTED', 'another row was proven')
      const place = { chain: block.chain, block: block.number, index }
      const { recorded_at: _, ...proven } = rowOf({
        event,
        recordedAt: 0,
        stored: eventDigest(event),
        ...place,
      })
      const { block: note, path } = proof
      const anchored = await isAnchored(reader, block, trust)
      return {
        status: 'verified',
        findings: [],
        block: note,
        proof: path,
        vouched: enrolled,
        anchored,
        proven,
      }
    } catch (error) {
      if (!isAboutEvidence(error)) throw error
      const { block = null, path = [] } = proof ?? {}
      return { status: 'not-verified', findings: [error.message], block, proof: path }
    } finally {
      await reader.close()
    }
  }
}

function isAboutEvidence(error: unknown): error is AuditError {
  return (
    error instanceof AuditError &&
    (error.code === 'AUDIT_EVIDENCE_REFUTED' || error.code === 'AUDIT_EVIDENCE_MALFORMED')
  )
}

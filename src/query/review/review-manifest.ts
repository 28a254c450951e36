import type { RowCoverage } from '../../verify/row-walk.js'
import type { AccessReview } from './access-review.js'
import type { StatedCoverage } from './coverage-tally.js'

/** What was found out about the rows that a review was made of. */
export interface ReviewVerification {
  readonly result: 'nothing found' | 'findings'
  /** By code, how many. */
  readonly findings: Readonly<Record<string, number>>
  readonly chains: number
  /** Chains that neither an enrolment key nor a head of the trust file vouches for. */
  readonly unenrolled: number
  readonly blocks: number
  readonly rows: RowCoverage
  /** SHA-256 of the trust file, lower-case hex; `null` without one. */
  readonly trust_sha256: string | null
}

interface ReviewFile {
  readonly name: string
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
}

/** What a review is, and what it rests on. Kept beside its files. */
export interface ReviewManifest {
  readonly format: 'otel-audit/review/v1'
  readonly version: string
  readonly label: string
  /** RFC 3339; the end is exclusive. */
  readonly from: string
  readonly to: string
  /** Of which credentials: all, a name, or a prefix followed by `*`. */
  readonly credential: string
  readonly made_at: string
  readonly made_by: string
  /** The trail that was read, 32 hex digits. */
  readonly trail: string
  /** Of rows of transactions below this one, and foreign ones. */
  readonly mark: string
  readonly system: string | null
  readonly table: string
  /** Rows that were read, of whatever time. */
  readonly rows_read: number
  /** Rows of the window that were committed and not settled: they are not counted. */
  readonly unsettled: number
  readonly verification: ReviewVerification
  readonly coverage: readonly StatedCoverage[]
  readonly totals: Omit<AccessReview, 'pairs'> & { readonly pairs: number }
  readonly files: readonly ReviewFile[]
}

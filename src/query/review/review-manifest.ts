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

/** Archives that a review was made of. */
interface ReviewedArchive {
  readonly place: string
  readonly archives: number
  /** SHA-256 of the manifest of the last one, lower-case hex: it names those before it. */
  readonly last_manifest: string
  /** RFC 3339. Rows with ids of then and later are not in them, whenever they happened. */
  readonly ids_before: string
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
  /** Of rows of transactions below this one, and foreign ones. `null`, as the two after it: it was made of archives. */
  readonly mark: string | null
  readonly system: string | null
  readonly table: string | null
  /** The archives that were read in place of the trail; `null`: the trail was. */
  readonly archive: ReviewedArchive | null
  /** RFC 3339. Rows before it were retired from what was read, or are being: they are not counted. `null`: none were. */
  readonly retired_before: string | null
  /** Rows that were read, of whatever time. */
  readonly rows_read: number
  /** Rows of the window that were committed and not settled: they are not counted. */
  readonly unsettled: number
  readonly verification: ReviewVerification
  readonly coverage: readonly StatedCoverage[]
  readonly totals: Omit<AccessReview, 'pairs'> & { readonly pairs: number }
  readonly files: readonly ReviewFile[]
}

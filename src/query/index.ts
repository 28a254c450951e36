export { CSV_HEAD, rowCsv } from './csv.js'
export type { ChainHealth, Chains, ChainsOptions } from './chains.js'
export { parseTrust, type Trust, type UnsignedPolicy } from '../verify/trust.js'
export {
  ComputedEvidence,
  type ComputedEvidenceOptions,
  type EvidenceSource,
  type ProvenColumns,
  type RowVerdict,
} from './evidence.js'
export type { ExportFormat } from './export/export-format.js'
export {
  type ExportOptions,
  type ExportResult,
  exportToFile,
} from './export/export-file.js'
export type { CountedChain, ExportedChain, ExportManifest } from './export/manifest.js'
export type { CoverageOptions, CoveredClient, FleetCoverage } from './coverage.js'
export type { TrailFilter } from './filter.js'
export type { FindOptions, FindPattern, FoundAccesses } from './find.js'
export type { Bucket, Histogram, HistogramOptions } from './histogram.js'
export type { Matrix, MatrixCell, MatrixOptions } from './matrix.js'
export { type Reading, readingFields, type Principal } from '../event/self-rows.js'
export type { Retired, RetiredRange } from './retired.js'
export { type IdFormat, rowJson, type TrailRow } from './row.js'
export type { StoredBlock } from './stored-block.js'
export {
  type Summary,
  SUMMARY_BY,
  type SummaryBy,
  type SummaryGroup,
  type SummaryOptions,
  type SummaryOrder,
} from './summary.js'
export type {
  Burst,
  BurstOptions,
  Bursts,
  Reversal,
  ReversalOptions,
  Reversals,
  Who,
} from './suspicions.js'
export type { SettledState } from './settled-state.js'
export type { Page } from './page.js'
export {
  Trail,
  TRAIL_DEFAULTS,
  type TrailOptions,
} from './trail.js'

import { BlockAnchors } from '../otel/block-anchors.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { RecordContext } from '../contract/pipeline.js'
import type { CommittedBlock, LostBlocks, SinkOwner } from '../contract/sink.js'
import { lostBlocksRow } from '../event/self-rows.js'
import type { GapLedger, SelfReport } from './self-report.js'

/** The exporter as the sink sees it: who it is, what it has lost, and where it wants to hear of blocks. */
export class ExporterAsOwner implements SinkOwner {
  readonly #context: RecordContext
  readonly #metrics: AuditMetrics
  readonly #gaps: GapLedger
  readonly #selfReport: SelfReport
  readonly #anchors = new BlockAnchors()

  /** @param context its identity may be known later than the sink */
  constructor(context: RecordContext, metrics: AuditMetrics, gaps: GapLedger, selfReport: SelfReport) {
    this.#context = context
    this.#metrics = metrics
    this.#gaps = gaps
    this.#selfReport = selfReport
  }

  get serviceName(): string | undefined {
    return this.#context.identity.serviceName
  }

  get serviceInstanceId(): string | undefined {
    return this.#context.identity.serviceInstanceId
  }

  get lost(): number {
    return this.#gaps.lost + this.#metrics.total('records.lost_by_store')
  }

  onBlock(block: CommittedBlock): void {
    this.#anchors.emit(block)
  }

  /** Says it where it can be seen later on, too. */
  onLostBlocks(lost: LostBlocks): void {
    this.#metrics.count('records.lost_by_store', lost.rows)
    this.#selfReport.record(lostBlocksRow(lost))
  }
}

import { BlockAnchors } from '../otel/block-anchors.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { ServiceIdentity } from '../contract/pipeline.js'
import type { CommittedBlock, LostBlocks, SinkOwner } from '../contract/sink.js'
import { lostBlocksRow } from '../event/self-rows.js'
import type { GapLedger } from './gap.js'
import type { OwnRows } from './own-rows.js'

/** What the store asks of its writer, and tells it. */
export class StoreListener implements SinkOwner {
  readonly #identity: () => ServiceIdentity
  readonly #metrics: AuditMetrics
  readonly #gaps: GapLedger
  readonly #ownRows: OwnRows
  readonly #anchors = new BlockAnchors()

  /** @param identity may be known later than the store */
  constructor(identity: () => ServiceIdentity, metrics: AuditMetrics, gaps: GapLedger, ownRows: OwnRows) {
    this.#identity = identity
    this.#metrics = metrics
    this.#gaps = gaps
    this.#ownRows = ownRows
  }

  get serviceName(): string | undefined {
    return this.#identity().serviceName
  }

  get serviceInstanceId(): string | undefined {
    return this.#identity().serviceInstanceId
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
    this.#ownRows.record(lostBlocksRow(lost))
  }
}

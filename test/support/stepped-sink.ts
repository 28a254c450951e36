import { RecordingAuditSink } from '../../src/sinks/recording.js'
import type { AuditBatch, WriteResult } from '../../src/contract/sink.js'
import { UNKNOWN } from './faults.js'

/** A write that waits for the test's word. */
export interface HeldWrite {
  readonly batch: AuditBatch
  /** Stores the batch as a table would, and says so. */
  store(): void
  /** Answers without storing anything. */
  answer(result: WriteResult): void
  /** Stores the batch, and answers something else. */
  storeBut(result: WriteResult): void
}

/** A recording sink whose writes wait until the test lets each one go. */
export class SteppedSink extends RecordingAuditSink {
  readonly #arrived: HeldWrite[] = []
  readonly #unanswered = new Set<HeldWrite>()
  #onArrival: (() => void) | undefined
  #free = false

  constructor() {
    super((batch) => (this.#free ? undefined : this.#hold(batch)))
  }

  /** Whether a write has come that nobody has looked at yet. */
  get hasArrived(): boolean {
    return this.#arrived.length > 0
  }

  /** The next write, when it comes. */
  async next(): Promise<HeldWrite> {
    for (;;) {
      const write = this.#arrived.shift()
      if (write !== undefined) return write
      await new Promise<void>((resolve) => {
        this.#onArrival = resolve
      })
    }
  }

  /** Stores what is held, and holds nothing any more. */
  letGo(): void {
    this.#free = true
    for (const write of this.#unanswered) write.store()
  }

  /** What is held ends as a database's writes do when its connection is cut. */
  override close(): Promise<void> {
    for (const write of this.#unanswered) write.answer(UNKNOWN)
    return super.close()
  }

  #hold(batch: AuditBatch): Promise<WriteResult | undefined> {
    return new Promise((resolve) => {
      const answer = (result: WriteResult | undefined): void => {
        this.#unanswered.delete(write)
        resolve(result)
      }
      const write: HeldWrite = {
        batch,
        store: () => answer(undefined),
        answer,
        storeBut: (result) => {
          this.store(batch)
          answer(result)
        },
      }
      this.#unanswered.add(write)
      this.#arrived.push(write)
      this.#onArrival?.()
    })
  }
}

import { wallClock } from '../host/globals.js'
import type { AuditEvent } from '../event/event.js'
import { checkFunction } from '../host/check.js'
import type { AuditBatch, AuditSink, WriteResult } from '../contract/sink.js'

/** Answers in place of the recording: what a test wants the next write to end with. */
export type ScriptedWrite = (batch: AuditBatch) => WriteResult | undefined | Promise<WriteResult | undefined>

/**
 * Keeps events in memory, with the semantics of a table: an id is stored once. For the tests of an application.
 *
 * ```ts
 * const sink = new RecordingAuditSink()
 * const audit = createAudit({ sink })
 * …
 * await audit.flush()
 * expect(sink.events).toMatchObject([{ credential: 'db-password', outcome: 'ok' }])
 * ```
 */
export class RecordingAuditSink implements AuditSink {
  readonly sinkId = 'recording'
  readonly #rows = new Map<bigint, { event: AuditEvent; digest: Buffer }>()
  readonly #batches: AuditBatch[] = []
  readonly #script: ScriptedWrite | undefined

  /** @param script decides a write's result; `undefined` from it stores the batch */
  constructor(script?: ScriptedWrite) {
    if (script !== undefined) checkFunction('script', script)
    this.#script = script
  }

  /** Stored events in ascending order of their ids. */
  get events(): readonly AuditEvent[] {
    return [...this.#rows.values()].map(({ event }) => event).sort((a, b) => (a.auditId < b.auditId ? -1 : 1))
  }

  /** Every batch that was written, whatever the answer. */
  get batches(): readonly AuditBatch[] {
    return this.#batches
  }

  /** Forgets every event and batch: between two tests. */
  clear(): void {
    this.#rows.clear()
    this.#batches.length = 0
  }

  async write(batch: AuditBatch): Promise<WriteResult> {
    this.#batches.push(batch)
    return (await this.#script?.(batch)) ?? this.store(batch)
  }

  /** Stores a batch as a table would. For scripts that store first and then answer otherwise. */
  store(batch: AuditBatch): WriteResult {
    const held = new Map<bigint, Buffer | null>()
    for (const { event } of batch.entries) {
      const row = this.#rows.get(event.auditId)
      if (row !== undefined) held.set(event.auditId, row.digest)
    }
    if (held.size > 0) return { status: 'conflict', held }
    for (const { event, digest } of batch.entries) this.#rows.set(event.auditId, { event, digest })
    return { status: 'committed', committedAt: wallClock() * 1000 }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

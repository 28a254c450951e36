import { wallClock } from '../host/globals.js'
import type { AuditSink, WriteResult } from '../contract/sink.js'

/** Accepts everything and keeps nothing. For tests, and where audit is switched off. */
export class NoopAuditSink implements AuditSink {
  readonly sinkId = 'noop'

  write(): Promise<WriteResult> {
    return Promise.resolve({ status: 'committed', committedAt: wallClock() * 1000 })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

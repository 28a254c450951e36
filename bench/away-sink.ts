import type { AuditSink, WriteResult } from 'otel-audit'

/** Takes nothing, as a database that is away: whatever is durable is so by the spool alone. */
export class AwaySink implements AuditSink {
  readonly sinkId = 'away'

  write(): Promise<WriteResult> {
    return Promise.resolve({
      status: 'failed',
      lasting: false,
      fault: { code: 'AUDIT_UNAVAILABLE', message: 'away' },
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

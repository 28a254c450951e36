import { randomMachineId, SnowflakeGenerator } from '../event/snowflake.js'
import type { AuditPipeline, ServiceIdentity } from '../contract/pipeline.js'
import type { Ticket } from '../contract/ticket.js'

/** Grants every ticket and keeps nothing; traces nothing either, since a trace would claim a record that is not there. */
export class NoopPipeline implements AuditPipeline {
  readonly ids = new SnowflakeGenerator(randomMachineId())
  readonly identity: ServiceIdentity = {}
  readonly tracing = false

  submit(ticket: Ticket): void {
    ticket.submitted()
    const { event, digest } = ticket
    ticket.grant({ auditId: event.auditId, committedAt: event.occurredAt, digest, place: undefined })
  }
}

import { eventDigest } from '../../src/event/digest.js'
import { type AuditEvent, type AuditFields, buildEvent, type EventIdentity } from '../../src/event/event.js'
import { randomMachineId, SnowflakeGenerator } from '../../src/event/snowflake.js'
import type { AuditBatch, BatchEntry } from '../../src/contract/sink.js'

const ids = new SnowflakeGenerator(randomMachineId())
let executions = 0n

/** A new event that differs from all others, also when it is given the id of another. */
export function anEvent(
  fields: Partial<AuditFields> = {},
  identity: Partial<EventIdentity> = {},
): AuditEvent {
  const now = Date.now()
  return buildEvent(
    {
      credential: 'db-password',
      operation: 'get_credential',
      outcome: 'ok',
      executionId: ++executions,
      ...fields,
    },
    { auditId: ids.next(now), occurredAt: now * 1000, ...identity },
  )
}

export function entryOf(event: AuditEvent): BatchEntry {
  return { event, digest: eventDigest(event) }
}

/** A batch as the contract wants it: in ascending order of ids. */
export function batchOf(...events: readonly AuditEvent[]): AuditBatch {
  return { entries: [...events].sort((a, b) => (a.auditId < b.auditId ? -1 : 1)).map(entryOf) }
}

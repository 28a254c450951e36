import type { BatchEntry } from '../../contract/sink.js'
import { hexText, jsonString } from '../../host/json-text.js'

// Rows as they are sent. Each column by name, in code of our own: no `JSON`, no `toJSON`, no list of an object's keys, all
// of which the application may have changed. `fields.test.ts` holds both forms against the table of fields.

/** The rows of `append.sql`, which reads the columns by their names: a JSON array. What is NULL takes no byte. */
export function rowsText(entries: readonly BatchEntry[]): string {
  let text = '['
  let separator = ''
  let index = 0
  for (const entry of entries) {
    text += separator + rowText(entry, index++)
    separator = ','
  }
  return `${text}]`
}

/** 64-bit integers are text, since as JSON numbers they would be rounded. */
function rowText({ event, digest }: BatchEntry, index: number): string {
  return (
    `{"audit_id":"${event.auditId}","occurred_at":${event.occurredAt}` +
    `,"credential":${jsonString(event.credential)}` +
    `,"operation":${jsonString(event.operation)},"outcome":${jsonString(event.outcome)}` +
    text('worker_id', event.workerId) +
    int8('execution_id', event.executionId) +
    int8('parent_execution_id', event.parentExecutionId) +
    text('server_region', event.serverRegion) +
    text('broker_region', event.brokerRegion) +
    text('kek_version', event.kekVersion) +
    text('notes', event.notes) +
    text('actor_id', event.actorId) +
    text('actor_type', event.actorType) +
    text('source_address', event.sourceAddress) +
    text('service_name', event.serviceName) +
    text('service_instance_id', event.serviceInstanceId) +
    text('trace_id', event.traceId) +
    text('span_id', event.spanId) +
    text('attributes', event.attributesJson) +
    int8('original_audit_id', event.originalAuditId) +
    `,"event_digest":"\\\\x${hexText(digest)}","block_index":${index}}`
  )
}

function text(column: string, value: string | null): string {
  return value === null ? '' : `,"${column}":${jsonString(value)}`
}

function int8(column: string, value: bigint | null): string {
  return value === null ? '' : `,"${column}":"${value}"`
}

/** The parameters of `append-one.sql`, in its order. */
export function rowValues({ event, digest }: BatchEntry): (string | null)[] {
  return [
    `${event.auditId}`,
    `${event.occurredAt}`,
    event.credential,
    event.operation,
    event.outcome,
    event.workerId,
    decimal(event.executionId),
    decimal(event.parentExecutionId),
    event.serverRegion,
    event.brokerRegion,
    event.kekVersion,
    event.notes,
    event.actorId,
    event.actorType,
    event.sourceAddress,
    event.serviceName,
    event.serviceInstanceId,
    event.traceId,
    event.spanId,
    event.attributesJson,
    decimal(event.originalAuditId),
    `\\x${hexText(digest)}`,
    '0',
  ]
}

function decimal(value: bigint | null): string | null {
  return value === null ? null : `${value}`
}

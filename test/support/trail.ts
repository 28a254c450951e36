import type { Client } from 'pg'
import { eventDigest } from '../../src/event/digest.js'
import type { ActorType, AuditEvent } from '../../src/event/event.js'
import type { RecordingAuditSink } from '../../src/sinks/recording.js'
import { connect } from './database.js'

/** A row of the trail as an event again, and what the database added. */
export interface TrailRow {
  readonly event: AuditEvent
  readonly digest: Buffer | null
}

/** Every column as the text Postgres has of it; times as whole µs, since a `Date` has only ms. */
const ROWS = `
  select audit_id::text, (extract(epoch from occurred_at) * 1000000)::bigint::text as occurred_at, credential,
    operation, outcome, worker_id, execution_id::text, parent_execution_id::text, server_region, broker_region,
    kek_version, notes, actor_id, actor_type, source_address, service_name, service_instance_id, trace_id, span_id,
    attributes::text, original_audit_id::text, encode(event_digest, 'hex') as digest
  from noetl.secret_audit order by secret_audit.audit_id`

type Row = Readonly<Record<string, string | null>>

/** The whole trail, read by somebody who is no part of the library, in ascending order of ids. */
export async function readTrail(from: Client | string): Promise<TrailRow[]> {
  if (typeof from === 'string') {
    const client = await connect(from)
    try {
      return await readTrail(client)
    } finally {
      await client.end()
    }
  }
  const { rows } = await from.query<Row>(ROWS)
  return rows.map((row) => ({ event: eventOf(row), digest: digestOf(row) }))
}

/** The same of a sink that keeps its rows in memory. */
export function recordedRows(sink: RecordingAuditSink): TrailRow[] {
  return sink.events.map((event) => ({ event, digest: eventDigest(event) }))
}

function eventOf(row: Row): AuditEvent {
  const text = (column: string): string | null => row[column] ?? null
  const integer = (column: string): bigint | null => (row[column] == null ? null : BigInt(row[column]))
  return {
    auditId: integer('audit_id') ?? 0n,
    occurredAt: Number(row['occurred_at']),
    credential: text('credential') ?? '',
    operation: text('operation') ?? '',
    outcome: text('outcome') ?? '',
    workerId: text('worker_id'),
    executionId: integer('execution_id'),
    parentExecutionId: integer('parent_execution_id'),
    serverRegion: text('server_region'),
    brokerRegion: text('broker_region'),
    kekVersion: text('kek_version'),
    notes: text('notes'),
    actorId: text('actor_id'),
    actorType: text('actor_type') as ActorType | null,
    sourceAddress: text('source_address'),
    serviceName: text('service_name'),
    serviceInstanceId: text('service_instance_id'),
    traceId: text('trace_id'),
    spanId: text('span_id'),
    attributesJson: text('attributes'),
    originalAuditId: integer('original_audit_id'),
  }
}

function digestOf(row: Row): Buffer | null {
  return row['digest'] == null ? null : Buffer.from(row['digest'], 'hex')
}

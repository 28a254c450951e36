import type { TrailRow } from 'otel-audit/query'

/** A row with something in every column, but for what is given. */
export function aRow(given: Partial<TrailRow> = {}): TrailRow {
  return {
    audit_id: '384294807914644744',
    occurred_at: '2026-11-26T10:50:22.059001Z',
    credential: 'orders-db',
    operation: 'get_credential',
    outcome: 'ok',
    worker_id: 'worker-7',
    execution_id: '7216413337829376',
    parent_execution_id: '7216413337829375',
    server_region: 'eu-central-1',
    broker_region: 'eu-west-1',
    kek_version: 'v3',
    notes: 'a note with "quotes" and \u2028',
    actor_id: 'jane',
    actor_type: 'user',
    source_address: '192.0.2.7',
    service_name: 'orders',
    service_instance_id: 'orders-7d4b9',
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    span_id: '00f067aa0ba902b7',
    attributes: '{"via":"cli","n":1e2}',
    original_audit_id: '384294807914644743',
    recorded_at: '2026-11-26T10:50:22.061000Z',
    event_digest: 'ab'.repeat(32),
    chain_id: '0b5a1f2e-0000-4000-8000-000000000001',
    block_no: '12',
    block_index: '3',
    ...given,
  }
}

const NULLABLE = [
  'worker_id',
  'execution_id',
  'parent_execution_id',
  'server_region',
  'broker_region',
  'kek_version',
  'notes',
  'actor_id',
  'actor_type',
  'source_address',
  'service_name',
  'service_instance_id',
  'trace_id',
  'span_id',
  'attributes',
  'original_audit_id',
  'event_digest',
  'chain_id',
  'block_no',
  'block_index',
] as const satisfies readonly (keyof TrailRow)[]

/** A row of which no more is known than has to be. */
export function aBareRow(given: Partial<TrailRow> = {}): TrailRow {
  return { ...aRow(), ...Object.fromEntries(NULLABLE.map((column) => [column, null])), ...given }
}

/** Rows with each column missing once. */
export function rowsLackingOne(): TrailRow[] {
  return NULLABLE.map((column) => aRow({ [column]: null }))
}

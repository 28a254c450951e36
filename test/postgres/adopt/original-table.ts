/** The table as the original makes it when it starts, in schema noetl. May be run any number of times. */
export const ORIGINAL_START_UP = [
  `create table if not exists noetl.secret_audit (
     audit_id bigint primary key, occurred_at timestamptz not null default now(), credential text not null,
     operation text not null, outcome text not null, worker_id text, execution_id bigint, parent_execution_id bigint,
     server_region text, broker_region text, kek_version text, notes text)`,
  `create index if not exists secret_audit_credential_time on noetl.secret_audit (credential, occurred_at desc)`,
  `create index if not exists secret_audit_execution on noetl.secret_audit (execution_id)
     where execution_id is not null`,
]

/** How the original writes an event. */
export const ORIGINAL_INSERT = `insert into noetl.secret_audit (
    audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
    server_region, broker_region, kek_version, notes)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
  on conflict (audit_id) do nothing`

/** The parameters of `ORIGINAL_INSERT` for one event. */
export function originalValues(auditId: bigint, credential = 'db-password'): unknown[] {
  const values = [auditId.toString(), new Date(), credential, 'get_credential', 'ok', 'worker-1', '42', null]
  return [...values, 'eu-1', null, 'kek-3', 'read by the billing job']
}

const EPOCH_MS = 1_704_067_200_000

/** The id of a time, with the given lower bits. */
export function idAt(time: Date | number, lower = 0): bigint {
  return (BigInt(Number(time) - EPOCH_MS) << 22n) | BigInt(lower)
}

import type { Client } from 'pg'

/** A trail that ends now and has grown evenly. What `kinds.ts` asks for is what is filled in here. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

export const DAYS = 90
const DAY_MS = 86_400_000
const CHUNK_ROWS = 100_000

/** One row in ten reads this one. */
export const HOT_CREDENTIAL = 'platform/orders-db'
/** The others: the first of them most often, the last ones some four times a day in 5 million rows. */
export const CREDENTIALS = 5000
/** Every tenth of them (9, 19, …) is retired: it is not accessed after the first third of the time. */
export const credentialOf = (k: number): string => `tenant-${k % 200}/secret-${k}`

/** Executions of 1, 2, … 20 rows come round again and again, and those of so many rows run at the same time. */
export const WINDOW_ROWS = 4200
export const WINDOW_EXECUTIONS = 400
const FIRST_EXECUTION = 7_216_413_337_829_376n

export const executionOf = (n: number): bigint => FIRST_EXECUTION + BigInt(n)
/** Executions that have all their rows. */
export const executionsOf = (rows: number): number => Math.floor(rows / WINDOW_ROWS) * WINDOW_EXECUTIONS

/** 2 % of the rows, together. */
export const DENIED = ['residency_violation', 'credential_not_found', 'no_pubkey'] as const
/** One row in 200,000. */
export const RARE_OUTCOME = 'template_error'

/**
 * One chunk: rows $1 to $2, of which each has its share of $4 ms, the first from $3 on (ms since 1970). The evidence has
 * its size, and proves nothing.
 */
const INSERT = `
insert into noetl.secret_audit (
  audit_id, occurred_at, recorded_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
  server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address, service_name,
  service_instance_id, trace_id, span_id, attributes, event_digest, chain_id, block_no, block_index)
select
  ((floor(ms)::bigint - 1704067200000) << 22) | (service << 12) | (n % 4096), t, t + random() * interval '20 milliseconds',
  case when c < 0.1 then '${HOT_CREDENTIAL}' else 'tenant-' || k % 200 || '/secret-' || k end,
  case when o > 0.3 then 'get_credential' when o > 0.1 then 'resolve_keychain' when o > 0.01 then 'get_sealed'
    else 'cross_region_broker_serve' end,
  case when n % 200000 = 0 then '${RARE_OUTCOME}'
    when d > 0.02 then 'ok' when d > 0.012 then '${DENIED[0]}' when d > 0.006 then '${DENIED[1]}'
    when d > 0.002 then '${DENIED[2]}' when d > 0.0005 then 'broker_unreachable'
    when d > 0.0001 then 'provider_fetch_error' else 'wrong_region' end,
  'worker-' || execution % 500, ${FIRST_EXECUTION} + execution, ${FIRST_EXECUTION} - 1 - execution / 10,
  'eu-central', case when o < 0.01 then 'us-east' end, 'kek-2026-' || n * 3 / $5::bigint,
  case when o > 0.9 then 'read by the billing run of the night' end,
  'workload-' || execution % 300, 'service', '10.' || service || '.0.' || execution % 250, 'service-' || service,
  md5('instance-' || service)::uuid::text, md5('trace-' || execution), left(md5('span-' || n), 16),
  case when o < 0.3 then '{"http.route":"/v1/credentials/:id","attempt":1}' end::json,
  sha256(int8send(n)), md5('chain-' || service)::uuid, n / 64, n % 64
from (
  select *, drawn_k - case when drawn_k % 10 = 9 and n > $5::bigint / 3 then 1 else 0 end as k,
    execution % 12 as service, 'epoch'::timestamptz + ms * interval '1 millisecond' as t
  from (
    select n, $3::float8 + (n + random()) * $4::float8 as ms, c, random() as o, random() as d,
      floor(power(c, 3) * ${CREDENTIALS})::int as drawn_k,
      n / ${WINDOW_ROWS} * ${WINDOW_EXECUTIONS} + place / 210 * 20
        + floor((sqrt(8 * (place % 210) + 1) - 1) / 2)::bigint as execution
    from generate_series($1::bigint, $2::bigint) n
    cross join lateral (select n % ${WINDOW_ROWS} * 1009 % ${WINDOW_ROWS} as place, random() as c) spread
  ) drawn
) made`

/** Fills an empty trail, and brings it into the state that autovacuum would have. @param client the owner's */
export async function fill(
  client: Client,
  { rows, seed }: { readonly rows: number; readonly seed: number },
  progress: (what: string) => void,
): Promise<Span> {
  const toMs = Date.now()
  const fromMs = toMs - DAYS * DAY_MS
  await client.query(
    `select noetl.secret_audit_create_partition(month)
     from noetl.secret_audit_missing_months(
       date_trunc('month', to_timestamp($1) at time zone 'UTC'), now() at time zone 'UTC') month`,
    [fromMs / 1000],
  )
  // Decides every random() of this session.
  await client.query('select setseed($1)', [seed / 2 ** 32])
  for (let first = 0; first < rows; first += CHUNK_ROWS) {
    const last = Math.min(first + CHUNK_ROWS, rows) - 1
    await client.query(INSERT, [first, last, fromMs, (toMs - fromMs) / rows, rows])
    progress(`${last + 1} of ${rows} rows are written`)
  }
  progress('vacuum')
  await client.query('vacuum (analyze) noetl.secret_audit')
  await client.query('checkpoint')
  return { fromMs, toMs }
}

import { Client } from 'pg'
import { firstIdOf } from '../../src/event/snowflake.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { anEvent, batchOf } from '../../test/support/events.js'

export const MONTHS = 20
export const RARE = 'rare-key'
/** In which of the months somebody accessed {@link RARE}. */
export const RARE_MONTHS = [3, 11]
const CREDENTIALS = 2000
/** Of the first month: more than DuckDB looks at by default, before it says which columns there are. */
const FIRST_MONTH_ROWS = 25_000

/** First days of the months, ms since the Unix epoch; the last one is not over. */
export function monthStarts(): readonly number[] {
  const now = new Date()
  return Array.from({ length: MONTHS + 1 }, (_, i) =>
    Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - MONTHS + i, 1),
  )
}

/** Fills months that are over, by SQL with rows that nobody signed, and with a signed block each. */
export async function fillMonths(url: string, origin: string, rowsAMonth: number): Promise<void> {
  const owner = new Client({ connectionString: url })
  await owner.connect()
  const writer = new PostgresAuditSink({ databaseUrl: url, origin })
  try {
    for (const [month, start] of monthStarts().slice(0, MONTHS).entries()) {
      await owner
        .query(`select noetl.secret_audit_ensure_partition_for($1)`, [String(firstIdOf(start))])
        .catch(() =>
          owner.query(`select noetl.secret_audit_create_partition($1::timestamptz at time zone 'UTC')`, [
            new Date(start).toISOString(),
          ]),
        )
      await owner.query(
        `insert into noetl.secret_audit (audit_id, credential, operation, outcome, worker_id, execution_id, occurred_at, notes, attributes)
         select $1::bigint + (i::bigint << 22), 'key-' || (i * 7919 % $2), 'get_credential',
           case when i % 50 = 0 then 'access_denied' else 'ok' end, 'w-' || i % 40, 7200000000000 + i,
           $3::timestamptz + i * interval '1 ms', case when i % 100 = 0 then E'line\\nbreak "ü" \\\\ \\u2028' end,
           case when i % 3 = 0 then '{"b": 1.50, "a": "ü", "big": 12345678901234567890}'::jsonb end
         from generate_series(1, $4) i`,
        [
          String(firstIdOf(start)),
          CREDENTIALS,
          new Date(start),
          month === 0 ? Math.max(rowsAMonth, FIRST_MONTH_ROWS) : rowsAMonth,
        ],
      )
      const signed = [0, 1, 2].map((i) => {
        const at = start + 20 * 86_400_000 + i
        const credential = RARE_MONTHS.includes(month) ? RARE : 'signed-key'
        return anEvent({ credential, attributes: { i } }, { auditId: firstIdOf(at), occurredAt: at * 1000 })
      })
      const { status } = await writer.write(batchOf(...signed))
      if (status !== 'committed') throw new Error(`a block was not stored: ${status}`)
    }
  } finally {
    await writer.close()
    await owner.end()
  }
}

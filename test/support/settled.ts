import type { Client } from 'pg'
import { waitUntil } from './wait-until.js'

/**
 * Resolves when all rows of a trail are settled: a transaction of another test file, in another database of the server, may
 * hold the mark back.
 */
export async function allSettled(client: Client): Promise<void> {
  await waitUntil('all rows are settled', async () => {
    const { rows } = await client.query<{ settled: boolean }>(
      `select max(recorded_xid) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint as settled
       from noetl.secret_audit`,
    )
    return rows[0]?.settled
  })
}

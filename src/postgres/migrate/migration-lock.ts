import { setTimeout as pause } from 'node:timers/promises'
import type { ClientBase } from 'pg'

/** Advisory lock of all migrations of one database. The first eight bytes of SHA-256("otel-audit/migrate"). */
const MIGRATION_LOCK = '5332353825325897723'
const POLL_MS = 100

/**
 * Waits until no other migration of this database runs. The lock is the session's: the server releases it when the
 * connection ends, however it ends.
 *
 * It polls. A session that waited inside `pg_advisory_lock` would hold a snapshot, for which the `CREATE INDEX
 * CONCURRENTLY` of the one that migrates waits: a deadlock.
 */
export async function lockMigrations(client: ClientBase, onProgress: (line: string) => void): Promise<void> {
  for (let told = false; !(await tryLock(client)); told = true) {
    if (!told) onProgress('waiting for another migration of this database')
    await pause(POLL_MS)
  }
}

async function tryLock(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
    MIGRATION_LOCK,
  ])
  return rows[0]?.locked === true
}

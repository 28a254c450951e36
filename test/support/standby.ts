import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PostgresServer, startPostgres } from './postgres/server.js'
import { waitUntil } from './wait-until.js'

/** Its own in every cluster; all other files are those of the primary. */
const OWN_FILES = ['postgresql.conf', 'pg_hba.conf']

/**
 * A hot standby that streams from `primary`, which is stopped and started for it: its files are copied, since
 * `pg_basebackup` need not be there. Roles but `postgres` log in to it without a password.
 */
export async function startStandby(primary: PostgresServer): Promise<PostgresServer> {
  const standby = await startPostgres()
  await standby.stop()
  await primary.stop()
  const own = new Map(
    OWN_FILES.map((name) => [name, readFileSync(join(standby.dataDirectory, name), 'utf8')]),
  )
  const { uid, gid } = statSync(standby.dataDirectory)
  rmSync(standby.dataDirectory, { recursive: true })
  execFileSync('cp', ['-a', primary.dataDirectory, standby.dataDirectory])
  const { username, password, port } = new URL(primary.url())
  const source = `host=127.0.0.1 port=${port} user=${username} password=${password}`
  for (const [name, text] of own) writeFileSync(join(standby.dataDirectory, name), text)
  writeFileSync(join(standby.dataDirectory, 'postgresql.conf'), `primary_conninfo = '${source}'\n`, {
    flag: 'a',
  })
  writeFileSync(join(standby.dataDirectory, 'standby.signal'), '')
  execFileSync('chown', ['-R', `${uid}:${gid}`, standby.dataDirectory])
  await primary.start()
  await standby.start()
  return standby
}

/** Resolves when the standby has everything that the primary has committed. */
export async function caughtUp(primary: PostgresServer): Promise<void> {
  await waitUntil('the standby to have caught up', async () => {
    const { rows } = await primary.query<{ done: boolean }>(
      'select replay_lsn >= pg_current_wal_flush_lsn() as done from pg_stat_replication',
    )
    return rows[0]?.done === true
  })
}

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SNOWFLAKE_EPOCH_MS } from '../../../src/event/snowflake.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const FLOOD = fileURLToPath(new URL('../apps/flood.mjs', import.meta.url))
/** Below 4,096: the shared ids are told apart by their sequence. */
const EVENTS = 4000

interface Fates {
  readonly stored: number
  readonly other: number
  readonly written: number
  readonly rekeyed: number
}

async function flood(
  databaseUrl: string,
  name: string,
  sharedMs: number,
): Promise<{ first: Fates; again: Fates }> {
  const run = promisify(execFile)
  const args = [FLOOD, databaseUrl, String(EVENTS), name, String(sharedMs), 'replay']
  const { stdout } = await run(process.execPath, args, { cwd: ROOT })
  return JSON.parse(stdout) as { first: Fates; again: Fates }
}

describe('two processes with one machine id, at full speed', () => {
  let database: TestDatabase

  beforeEach(async () => {
    database = await migratedDatabase()
  })

  afterEach(() => database.drop())

  test('lose no event, count none without its row, and a replay of all of them adds no row', async () => {
    // Before either of them starts: no id of their own has this millisecond.
    const sharedMs = Date.now() - 60_000
    const processes = await Promise.all(['left', 'right'].map((name) => flood(database.url, name, sharedMs)))
    for (const { first, again } of processes) {
      expect(first).toMatchObject({ stored: EVENTS, other: 0, written: EVENTS })
      expect(again).toMatchObject({ stored: EVENTS, other: 0, written: EVENTS })
    }
    // Half of their ids are the same: each of those was re-keyed by one of the two, a few of them twice.
    const rekeyed = processes.reduce((sum, { first }) => sum + first.rekeyed, 0)

    const client = await connect(database.url)
    try {
      const { rows } = await client.query<{ all: string; events: string; shared: string; own: string }>(
        `select count(*) as all, count(distinct credential) as events,
           count(distinct original_audit_id) filter (where original_audit_id >> 22 = $1) as shared,
           count(*) filter (where original_audit_id >> 22 <> $1) as own
         from noetl.secret_audit`,
        [String(sharedMs - SNOWFLAKE_EPOCH_MS)],
      )
      // Now and then a re-keyed one takes the id of one that is still to come; then both of that id are re-keyed.
      expect(rows[0]).toMatchObject({
        all: String(2 * EVENTS),
        events: String(2 * EVENTS),
        shared: String(EVENTS / 2),
      })
      // Ids of their own may meet, too: the machine id is the same, and the sequences begin at random.
      expect(rekeyed).toBeGreaterThanOrEqual(EVENTS / 2 + Number(rows[0]?.own))
    } finally {
      await client.end()
    }
  })
})

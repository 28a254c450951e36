import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const FLOOD = fileURLToPath(new URL('./apps/flood.mjs', import.meta.url))
/** Below 4,096: the shared ids are told apart by their sequence. */
const EVENTS = 4000

interface Fates {
  readonly stored: number
  readonly other: number
  readonly written: number
  readonly rekeyed: number
}

async function flood(databaseUrl: string, name: string): Promise<{ first: Fates; again: Fates }> {
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, [FLOOD, databaseUrl, String(EVENTS), name, 'replay'], {
    cwd: ROOT,
  })
  return JSON.parse(stdout) as { first: Fates; again: Fates }
}

describe('two processes with one machine id, at full speed', () => {
  let database: TestDatabase

  beforeEach(async () => {
    database = await migratedDatabase()
  })

  afterEach(() => database.drop())

  test('lose no event, count none without its row, and a replay of all of them adds no row', async () => {
    const processes = await Promise.all(['left', 'right'].map((name) => flood(database.url, name)))
    for (const { first, again } of processes) {
      expect(first).toMatchObject({ stored: EVENTS, other: 0, written: EVENTS })
      expect(again).toMatchObject({ stored: EVENTS, other: 0, written: EVENTS })
    }
    // Half of their ids are the same: each of those was re-keyed by one of the two, a few of them twice.
    const rekeyed = processes.reduce((sum, { first }) => sum + first.rekeyed, 0)
    expect(rekeyed).toBeGreaterThanOrEqual(EVENTS / 2)

    const client = await connect(database.url)
    try {
      const { rows } = await client.query<{ all: string; events: string; originals: string }>(
        `select count(*) as all, count(distinct credential) as events, count(original_audit_id) as originals
         from noetl.secret_audit`,
      )
      expect(rows[0]).toEqual({
        all: String(2 * EVENTS),
        events: String(2 * EVENTS),
        originals: String(EVENTS / 2),
      })
    } finally {
      await client.end()
    }
  })
})

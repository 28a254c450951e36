import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import { SpoolChild } from '../spool/child.js'
import { temporaryDirectory } from '../spool/directories.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent } from '../support/events.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { startPostgres } from '../support/postgres/server.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'
import { otelAudit } from './otel-audit.js'

interface Report {
  readonly stored: number
  readonly left: number
  readonly quarantined: number
  readonly living: readonly { readonly id: string; readonly entries: number }[]
  readonly damaged: readonly string[]
  readonly problem: string | null
}

const ROOT = packageRoot()
const WAITING = `
  from pg_stat_activity where application_name = 'otel-audit drain' and wait_event_type = 'Lock'
    and datname = current_database()`
const NOTHING_LEFT = { left: 0, quarantined: 0, living: [], damaged: [], problem: null }

let database: TestDatabase
let directory: string
let homes = 0

beforeEach(async () => {
  database = await migratedDatabase()
  directory = temporaryDirectory()
})

afterEach(() => database.drop())

const drain = (args: readonly string[] = [], databaseUrl = database.url) =>
  otelAudit(['spool', 'drain', '--directory', directory, ...args], { DATABASE_URL: databaseUrl })

async function drained(args: readonly string[] = [], databaseUrl?: string) {
  const { code, stdout, stderr } = await drain(['--format', 'json', ...args], databaseUrl)
  return { code, stderr, report: JSON.parse(stdout) as Report }
}

/** A process with 1,000 events in the spool. @returns it, and the audit ids */
async function aProcess(): Promise<{ child: SpoolChild; ids: bigint[] }> {
  // Of now, so that there is a partition; and apart from those of the others.
  const first = (BigInt(Date.now() - 1_704_067_200_000) << 22n) + BigInt(++homes * 10_000)
  const child = new SpoolChild(['hold', directory, `${first}`])
  await child.until('holds')
  return { child, ids: Array.from({ length: 1000 }, (_, i) => first + BigInt(i)) }
}

/** So many killed processes. @returns the audit ids of what they left, in ascending order */
async function theDead(count: number): Promise<bigint[]> {
  const processes = await Promise.all(Array.from({ length: count }, aProcess))
  for (const { child } of processes) await child.kill()
  return processes.flatMap(({ ids }) => ids).sort((a, b) => (a < b ? -1 : 1))
}

async function storedIds(): Promise<bigint[]> {
  return (await readTrail(database.url)).map(({ event }) => event.auditId)
}

describe('otel-audit spool drain', () => {
  test('stores what killed processes left, each event once, and does nothing when called again', async () => {
    const ids = await theDead(2)
    const { code, stdout } = await drain()
    expect(stdout).toBe('2000 events are stored.\nNothing is left.\n')
    expect(code).toBe(0)
    expect(await storedIds()).toEqual(ids)
    expect(readdirSync(directory)).toEqual([])
    expect(await drained()).toMatchObject({ code: 0, report: { stored: 0, ...NOTHING_LEFT } })
    expect(await storedIds()).toEqual(ids)
  })

  test('is killed in the middle, again and again: nothing is lost, and nothing is there twice', async () => {
    const ids = await theDead(4)
    // Not in a transaction: there, pg_stat_activity stays what it was when first asked.
    const watcher = await connect(database.url)
    for (let kills = 0; kills < 3; kills++) {
      const stored = new Set(await storedIds())
      const halfway = [0, 1000, 2000, 3000].flatMap((first) => {
        const missing = ids.slice(first, first + 1000).filter((id) => !stored.has(id))
        return missing.slice(missing.length >> 1).slice(0, 1)
      })
      const client = await connect(database.url)
      // It gets halfway through what one process left, however fast it is: then a batch is on its way, and waits.
      await client.query('begin')
      await client.query(
        `insert into noetl.secret_audit (audit_id, credential, operation, outcome)
         select id, 'c', 'o', 'ok' from unnest($1::bigint[]) id`,
        [halfway.map(String)],
      )
      const env = { DATABASE_URL: database.url, NOETL_SECRET_AUDIT_BATCH_ROWS: '50' }
      const main = join(ROOT, 'dist/cli/main.js')
      const child = spawn(process.execPath, [main, 'spool', 'drain', '--directory', directory], { env })
      await waitUntil('it waits', async () => (await watcher.query(`select ${WAITING}`)).rowCount === 1)
      child.kill('SIGKILL')
      await once(child, 'close')
      // Nor does what it has sent.
      await watcher.query(`select pg_terminate_backend(pid) ${WAITING}`)
      await client.query('rollback')
      await client.end()
      expect((await storedIds()).length).toBeGreaterThan(stored.size)
    }
    await watcher.end()
    const { code, report } = await drained()
    expect({ code, report }).toMatchObject({ code: 0, report: NOTHING_LEFT })
    expect(report.stored).toBeGreaterThan(0)
    expect(await storedIds()).toEqual(ids)
    expect(readdirSync(directory)).toEqual([])
  })

  test('runs twice at once: each event is stored once, and what is left of one is that of the other', async () => {
    const ids = await theDead(4)
    const both = await Promise.all([drained(), drained()])
    expect(both[0].report.stored + both[1].report.stored).toBe(4000)
    for (const { code, report } of both) {
      expect(code).toBe(report.living.some(({ entries }) => entries > 0) ? 1 : 0)
      expect(report.left).toBe(0)
    }
    expect((await drained()).code).toBe(0)
    expect(await storedIds()).toEqual(ids)
  })

  test('says what living processes have, and leaves it alone', async () => {
    const living = await aProcess()
    const ids = await theDead(1)
    const { code, report } = await drained()
    expect(code).toBe(1)
    expect(report).toMatchObject({ stored: 1000, left: 0, living: [{ entries: 1000 }] })
    expect((await drain()).stdout).toMatch(
      /^0 events .*\nnot touched: \S+ has 1000 events, and its process is running\n$/,
    )
    expect(await storedIds()).toEqual(ids)
    await living.child.kill()
    expect((await drained()).code).toBe(0)
  })

  test('stores once, under ids of its time, what has ids that the database has no place for', async () => {
    const spool = await openLmdbSpool({ directory, maxBytes: 1024 ** 2 })
    const inAWeek = (BigInt(Date.now() + 7 * 86_400_000 - 1_704_067_200_000) << 22n) + 7n
    // In the first days of the ids there is no partition.
    await spool.append([7n, 8n, inAWeek].map((auditId) => anEvent({}, { auditId })))
    await spool.close()
    const stored = { code: 0, report: { stored: 3, ...NOTHING_LEFT } }
    expect(await drained()).toMatchObject(stored)
    const trail = (await readTrail(database.url)).map(({ event }) => event)
    expect(trail.map(({ originalAuditId }) => originalAuditId)).toEqual(
      expect.arrayContaining([7n, 8n, inAWeek]),
    )
    expect(await drained()).toMatchObject({ code: 0, report: { stored: 0, ...NOTHING_LEFT } })
    expect(await storedIds()).toEqual(trail.map(({ auditId }) => auditId))
  })

  test('sets aside what the database refuses, and says so', async () => {
    const spool = await openLmdbSpool({ directory, maxBytes: 1024 ** 2 })
    const good = anEvent()
    // Longer than an event of this version can be.
    await spool.append([{ ...anEvent(), credential: 'c'.repeat(2000) }, good])
    await spool.close()
    const { code, report } = await drained()
    expect({ code, report }).toMatchObject({ code: 1, report: { stored: 1, left: 0, quarantined: 1 } })
    expect(await storedIds()).toEqual([good.auditId])
    const again = await drain()
    expect(again.code).toBe(1)
    expect(again.stdout).toBe(
      '0 events are stored.\n1 events are quarantined: `otel-audit spool status` shows why\n',
    )
  })
})

describe('without a database, otel-audit spool drain', () => {
  test('gives up after its patience, says why, and has lost nothing', async () => {
    const ids = await theDead(1)
    const { code, stderr, report } = await drained(['--patience', '2'], 'postgres://127.0.0.1:9/trail')
    expect(code).toBe(1)
    expect(report).toMatchObject({ stored: 0, left: 1000, problem: expect.stringContaining('ECONNREFUSED') })
    expect(stderr).toMatch(/^0 of 1000 events are stored: .*ECONNREFUSED/)
    expect(await drained()).toMatchObject({ code: 0, report: { stored: 1000 } })
    expect(await storedIds()).toEqual(ids)
  })

  test('goes on when it comes back', async () => {
    const server = await startPostgres()
    try {
      const url = server.url()
      expect((await otelAudit(['migrate'], { DATABASE_URL: url })).code).toBe(0)
      await server.stop()
      await theDead(1)
      const draining = drained([], url)
      await new Promise((resolve) => setTimeout(resolve, 500))
      await server.start()
      expect(await draining).toMatchObject({ code: 0, report: { stored: 1000, ...NOTHING_LEFT } })
      expect(await readTrail(url)).toHaveLength(1000)
    } finally {
      await server.close()
    }
  })

  test('takes nothing off the disk for one that loses rows in a crash', async () => {
    const server = await startPostgres({ settings: { fsync: 'off' } })
    try {
      const url = server.url()
      expect((await otelAudit(['migrate'], { DATABASE_URL: url })).code).toBe(0)
      await theDead(1)
      const { code, report } = await drained([], url)
      expect(code).toBe(1)
      expect(report).toMatchObject({
        stored: 0,
        left: 1000,
        problem: expect.stringContaining('fsync is off'),
      })
      expect(await readTrail(url)).toEqual([])
    } finally {
      await server.close()
    }
  })

  test('takes nothing off the disk for one without the tables', async () => {
    const ids = await theDead(1)
    const empty = await emptyDatabase()
    const { code, report } = await drained([], empty.url)
    await empty.drop()
    expect(code).toBe(1)
    expect(report).toMatchObject({ stored: 0, left: 1000, problem: expect.stringContaining('AUDIT_SCHEMA') })
    await drained()
    expect(await storedIds()).toEqual(ids)
  })
})

describe('otel-audit spool drain does not run', () => {
  const refused = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const { code, stdout, stderr } = await otelAudit(['spool', 'drain', ...args], env)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    return stderr
  }
  const DATABASE_URL = 'postgres://127.0.0.1:9/trail'

  test('without a directory, with one that is not there, and without a database', async () => {
    expect(await refused([], { DATABASE_URL })).toContain('NOETL_SECRET_AUDIT_SPOOL_DIR')
    const nowhere = join(directory, 'nowhere')
    expect(await refused(['--directory', nowhere], { DATABASE_URL })).toContain(`no directory ${nowhere}`)
    expect(existsSync(nowhere)).toBe(false)
    expect(await refused(['--directory', directory])).toContain('DATABASE_URL')
  })

  test('with a format or a patience that it does not know', async () => {
    expect(await refused(['--format', 'xml'])).toContain('--format must be table or json')
    expect(await refused(['--patience', 'long'])).toContain('--patience must be a whole number of seconds')
  })

  test('without lmdb', () => {
    const parent = temporaryDirectory()
    for (const name of ['commander', 'pg', '@opentelemetry/api']) {
      const installed = join(parent, 'node_modules', name)
      mkdirSync(dirname(installed), { recursive: true })
      symlinkSync(join(ROOT, 'node_modules', name), installed)
    }
    cpSync(join(ROOT, 'dist'), join(parent, 'dist'), { recursive: true })
    writeFileSync(join(parent, 'package.json'), '{"name":"otel-audit","type":"module"}')
    const main = join(parent, 'dist/cli/main.js')
    const { status, stderr } = spawnSync(
      process.execPath,
      [main, 'spool', 'drain', '--directory', directory],
      {
        env: { DATABASE_URL },
        encoding: 'utf8',
      },
    )
    expect(stderr).toMatch(/^AUDIT_MISSING_PACKAGE: .*npm install lmdb/)
    expect(status).toBe(2)
  })

  test('when it is asked for help', async () => {
    const { code, stdout } = await otelAudit(['spool', 'drain', '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('$ DATABASE_URL=postgres://orders@db.example/app otel-audit spool drain')
  })
})

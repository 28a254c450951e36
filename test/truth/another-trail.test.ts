import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { storeCheck } from '../../src/postgres/store/full-check.js'
import { StoreGuard } from '../../src/postgres/store/guard.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { Trail } from '../../src/query/trail.js'
import { otelAudit } from '../cli/otel-audit.js'
import { connect, copyOf, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'

// Whoever says which trail is meant gets no receipt and no row of another one: a clone, staging, a wrong URL.

const OTHER = '00112233445566778899aabbccddeeff'

const databases: TestDatabase[] = []
const sinks: PostgresAuditSink[] = []

afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.close()))
  for (const database of databases.splice(0)) await database.drop()
})

async function tracked(made: Promise<TestDatabase>): Promise<TestDatabase> {
  const database = await made
  databases.push(database)
  return database
}

function sinkOf(databaseUrl: string | (() => string), trail?: string): PostgresAuditSink {
  const sink = new PostgresAuditSink({ databaseUrl, trail })
  sinks.push(sink)
  return sink
}

async function sql<T extends object>(url: string, text: string): Promise<T[]> {
  const client = await connect(url)
  try {
    const { rows } = await client.query<T>(text)
    return rows
  } finally {
    await client.end()
  }
}

const trailOf = async (url: string): Promise<string> =>
  (await sql<{ trail: string }>(url, 'select trail from noetl.secret_audit_trail'))[0]?.trail ?? ''

const rowsOf = async (url: string): Promise<number> =>
  (await sql<{ n: number }>(url, 'select count(*)::int as n from noetl.secret_audit'))[0]?.n ?? -1

const endWriters = (url: string): Promise<object[]> =>
  sql(
    url,
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  )

const aBatch = (): ReturnType<typeof batchOf> => batchOf(anEvent())

const REFUSED = {
  status: 'failed',
  lasting: true,
  fault: expect.objectContaining({
    message: expect.stringMatching(/AUDIT_TRAIL: .*NOETL_SECRET_AUDIT_TRAIL/),
  }),
}

describe('a writer', () => {
  test('that is told the trail writes to it', async () => {
    const { url } = await tracked(migratedDatabase())
    const sink = sinkOf(url, await trailOf(url))
    expect(await sink.check()).toEqual([expect.objectContaining({ check: 'owner' })])
    expect(await sink.write(aBatch())).toMatchObject({ status: 'committed' })
  })

  test('that is told another one stores nothing, and names both and what to do', async () => {
    const { url } = await tracked(migratedDatabase())
    const sink = sinkOf(url, OTHER)
    const said = { code: 'AUDIT_TRAIL', message: expect.stringContaining(await trailOf(url)) }
    await expect(sink.check()).rejects.toMatchObject({
      ...said,
      remedy: expect.stringContaining('NOETL_SECRET_AUDIT_TRAIL'),
    })
    expect(await sink.write(aBatch())).toMatchObject(REFUSED)
    expect(await rowsOf(url)).toBe(0)
  })

  test('does not start strict at a clone, nor give a receipt there', async () => {
    const production = await tracked(migratedDatabase())
    const trail = await trailOf(production.url)
    const clone = await tracked(copyOf(production))
    await migrate({ databaseUrl: clone.url, trail: 'new' })
    const audit = createAudit({ databaseUrl: clone.url, trail, strict: true, deadlineMs: 2000 })
    await expect(audit.start()).rejects.toMatchObject({
      code: 'AUDIT_SELF_TEST',
      message: expect.stringContaining('AUDIT_TRAIL'),
    })
    await expect(
      audit.service.recordStrict({ credential: 'c', operation: 'get_credential', outcome: 'ok' }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^AUDIT_/) })
    await audit.close()
    expect(await rowsOf(clone.url)).toBe(0)
  })

  test.each([
    ['is told the trail', true],
    ['has begun with it', false],
  ])('that %s is refused by another one at a reconnect', async (_, isTold) => {
    const { url } = await tracked(migratedDatabase())
    const { url: other } = await tracked(migratedDatabase())
    let current = url
    const sink = sinkOf(() => current, isTold ? await trailOf(url) : undefined)
    expect(await sink.write(aBatch())).toMatchObject({ status: 'committed' })
    current = other
    await endWriters(url)
    await expect.poll(async () => (await sink.write(aBatch())).status).toBe('failed')
    expect(await sink.write(aBatch())).toMatchObject(REFUSED)
    expect(await rowsOf(other)).toBe(0)
    current = url
    expect(await sink.write(aBatch())).toMatchObject({ status: 'committed' })
  })

  test('whose self-test has found a trail is refused by another one at its first write', async () => {
    const { url } = await tracked(migratedDatabase())
    const { url: other } = await tracked(migratedDatabase())
    let current = url
    const sink = sinkOf(() => current)
    await sink.check()
    current = other
    expect(await sink.write(aBatch())).toMatchObject(REFUSED)
    expect(await rowsOf(other)).toBe(0)
  })

  test('that is connected while another trail begins stores nothing more; one that is started then does', async () => {
    const { url } = await tracked(migratedDatabase())
    const sink = sinkOf(url)
    expect(await sink.write(aBatch())).toMatchObject({ status: 'committed' })
    const { formerTrail } = await migrate({ databaseUrl: url, trail: 'new' })
    expect(await sink.write(aBatch())).toMatchObject({ status: 'failed' })
    expect(await sink.write(aBatch())).toMatchObject(REFUSED)
    expect(await rowsOf(url)).toBe(1)
    expect(await sinkOf(url, formerTrail).write(aBatch())).toMatchObject(REFUSED)
    expect(await sinkOf(url).write(aBatch())).toMatchObject({ status: 'committed' })
  })

  test('that is connected stops as soon as the store is checked, where the identity was changed by hand', async () => {
    const { url } = await tracked(migratedDatabase())
    const session = {
      databaseUrl: url,
      applicationName: 'otel-audit',
      answerTimeoutMs: 60_000,
      synchronousCommit: 'on' as const,
    }
    const guard = new StoreGuard(session, storeCheck({ schema: 'noetl', synchronousCommit: 'on' }))
    guard.expect({ schema: 'noetl', trails: [await trailOf(url)] })
    expect(await guard.checkNow()).toBeUndefined()
    await sql(url, `update noetl.secret_audit_trail set trail = '${OTHER}'`)
    expect(await guard.checkNow()).toMatchObject({ message: expect.stringContaining(`trail ${OTHER}`) })
    expect(guard.refusal()).toBeDefined()
    guard.close()
  })

  test('of a trail that has lost its identity stores nothing, and says what to do', async () => {
    const { url } = await tracked(migratedDatabase())
    await sql(url, 'delete from noetl.secret_audit_trail')
    for (const sink of [sinkOf(url), sinkOf(url, OTHER)]) {
      await expect(sink.check()).rejects.toMatchObject({
        code: 'AUDIT_TRAIL',
        remedy: expect.stringContaining('--new-trail'),
      })
      expect(await sink.write(aBatch())).toMatchObject({ status: 'failed', lasting: true })
    }
    expect((await migrate({ databaseUrl: url, trail: 'new' })).trail).toBe(await trailOf(url))
    expect(await sinkOf(url).write(aBatch())).toMatchObject({ status: 'committed' })
  })

  test.each(['', 'x', OTHER.toUpperCase(), `${OTHER}0`, `${OTHER}\n`])('is not told %j', (trail) => {
    expect(() => new PostgresAuditSink({ databaseUrl: 'postgres://x/y', trail })).toThrow(
      expect.objectContaining({ code: 'AUDIT_INVALID_OPTION', field: 'trail' }),
    )
  })
})

describe('a reader', () => {
  test('that is told another trail reads nothing, in code and on the command line', async () => {
    const { url } = await tracked(migratedDatabase())
    const trust = join(mkdtempSync(join(tmpdir(), 'another-trail-')), 'audit.trust')
    const env = { DATABASE_URL: url }
    const write = (trail: string): void => writeFileSync(trust, `trail ${trail}\n`)
    const reader = new Trail({ databaseUrl: url, trails: [OTHER] })
    await expect(reader.search()).rejects.toMatchObject({ code: 'AUDIT_TRAIL' })
    await reader.close()
    const commands = [
      ['query', '--unrecorded'],
      ['summary', '--unrecorded'],
      ['tail', '--unrecorded'],
      ['export', '--from', '-1h', '--unrecorded', '--output', `${trust}.ndjson`],
      ['verify'],
      ['trust', 'init', '--out', `${trust}.new`],
    ]
    for (const command of commands) {
      const asked = { ...env, NOETL_SECRET_AUDIT_TRAIL: OTHER }
      const { code, stdout, stderr } = await otelAudit(command, asked)
      expect([command[0], code, stdout, stderr]).toEqual([
        command[0],
        command[0] === 'verify' ? 2 : 1,
        '',
        expect.stringContaining(`AUDIT_TRAIL: the database has trail ${await trailOf(url)}`),
      ])
    }
    write(OTHER)
    const named = (command: readonly string[], file: string): string[] => [
      ...command.map((word) => (word.endsWith('.ndjson') ? `${trust}.${file}` : word)),
      '--trust',
      trust,
    ]
    for (const command of commands.slice(0, 5)) {
      const { code, stderr } = await otelAudit(named(command, 'second.ndjson'), env)
      expect([command[0], code, stderr]).toEqual([
        command[0],
        command[0] === 'verify' ? 2 : 1,
        expect.stringContaining('AUDIT_TRAIL'),
      ])
    }
    write(await trailOf(url))
    for (const command of commands.filter(([name]) => name !== 'tail' && name !== 'trust')) {
      expect([command[0], (await otelAudit(named(command, 'third.ndjson'), env)).code]).toEqual([
        command[0],
        0,
      ])
    }
    const both = await otelAudit(['verify', '--trust', trust], { ...env, NOETL_SECRET_AUDIT_TRAIL: OTHER })
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('AUDIT_INVALID_OPTION')])
  })

  test('whose read is recorded writes no row to another trail', async () => {
    const { url } = await tracked(migratedDatabase())
    const { url: other } = await tracked(migratedDatabase())
    const env = {
      DATABASE_URL: other,
      NOETL_SECRET_AUDIT_READER_URL: url,
      NOETL_SECRET_AUDIT_TRAIL: await trailOf(url),
    }
    const { code, stdout } = await otelAudit(['query'], env)
    expect([code, stdout]).toEqual([1, ''])
    expect(await rowsOf(other)).toBe(0)
  })
})

describe('otel-audit doctor', () => {
  const warnings = async (url: string, env: object = {}): Promise<string[]> => {
    const { stdout } = await otelAudit(['doctor', '--format', 'json'], { DATABASE_URL: url, ...env })
    const { checks } = JSON.parse(stdout) as {
      checks: { check: string; state: string; findings: { level: string; message: string }[] }[]
    }
    const found = checks.find(({ check }) => check === 'trail') ?? checks[0]
    return found?.findings.map(({ level, message }) => `${level} ${message}`) ?? []
  }

  test('warns in a copy of a trail until another one begins, or is said to be kept', async () => {
    const production = await tracked(migratedDatabase())
    const former = await trailOf(production.url)
    expect(await warnings(production.url)).toEqual([])
    const [clone, moved] = [await tracked(copyOf(production)), await tracked(copyOf(production))]
    for (const { url } of [clone, moved]) {
      expect(await warnings(url)).toEqual([
        expect.stringMatching(new RegExp(`^warning trail ${former} was copied .*--new-trail.*--keep-trail`)),
      ])
    }
    const begun = await otelAudit(['migrate', '--new-trail'], { DATABASE_URL: clone.url })
    expect(begun.code).toBe(0)
    expect(begun.stdout).toMatch(new RegExp(`trail +${await trailOf(clone.url)}\\nwas +${former}\\n`))
    expect(begun.stdout).toContain('chain-foreign')
    expect((await otelAudit(['migrate', '--keep-trail'], { DATABASE_URL: moved.url })).code).toBe(0)
    expect(await trailOf(moved.url)).toBe(former)
    expect(await warnings(clone.url)).toEqual([])
    expect(await warnings(moved.url)).toEqual([])
    expect(await trailOf(production.url)).toBe(former)
  })

  test('warns in a copy that is another schema of the same database', async () => {
    const { url } = await tracked(migratedDatabase())
    await migrate({ databaseUrl: url, schema: 'copied' })
    await sql(
      url,
      `delete from copied.secret_audit_trail; insert into copied.secret_audit_trail select * from noetl.secret_audit_trail`,
    )
    expect(await warnings(url)).toEqual([])
    expect(await warnings(url, { NOETL_SECRET_AUDIT_SCHEMA: 'copied' })).toEqual([
      expect.stringMatching(/another database or schema of this server.*migrate --schema copied --new-trail/),
    ])
  })

  test('warns on another server, and names both', async () => {
    const { url } = await tracked(migratedDatabase())
    await sql(url, `update noetl.secret_audit_trail set system_identifier = '7412345678901234567'`)
    expect(await warnings(url)).toEqual([
      expect.stringMatching(/began on server 7412345678901234567, and this is server \d+/),
    ])
    await sql(url, `update noetl.secret_audit_trail set system_identifier = null`)
    expect(await warnings(url)).toEqual([])
  })

  test('reports another trail than the environment of the service names', async () => {
    const { url } = await tracked(migratedDatabase())
    expect(await warnings(url, { NOETL_SECRET_AUDIT_TRAIL: OTHER })).toEqual([
      expect.stringContaining('error no connection: AUDIT_TRAIL'),
    ])
  })

  test('and migrate do not take both ways at once', async () => {
    const { code, stderr } = await otelAudit(['migrate', '--new-trail', '--keep-trail'], {
      DATABASE_URL: 'postgres://127.0.0.1:9/x',
    })
    expect([code, stderr]).toEqual([2, expect.stringContaining('contradict')])
  })
})

test('a dry run of --new-trail prints what it would do, and changes nothing', async () => {
  const { url } = await tracked(migratedDatabase())
  const trail = await trailOf(url)
  const { stdout } = await otelAudit(['migrate', '--new-trail', '--dry-run'], { DATABASE_URL: url })
  expect(stdout).toContain('secret_audit_begin_trail(true)')
  expect(await trailOf(url)).toBe(trail)
})

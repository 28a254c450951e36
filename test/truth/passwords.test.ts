import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resolveOptions, resolveReadOptions } from '../../src/options/resolve.js'
import type { DatabaseUrl } from '../../src/postgres/database-url.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { Trail } from '../../src/query/trail.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'

const CANARY = 'canary-5c1e'

let database: TestDatabase
let directory: string

beforeAll(async () => {
  database = await migratedDatabase()
  directory = mkdtempSync(join(tmpdir(), 'passwords-'))
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await database.drop()
})

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** The URL of the superuser, who is asked for a password, with another one. */
function withPassword(password: string): string {
  const url = new URL(database.url)
  url.password = password
  return url.href
}

/** Ends all sessions of the sink. */
async function cut(name: string): Promise<void> {
  const owner = await connect(database.url)
  await owner.query(
    'select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = $1',
    [name],
  )
  await owner.end()
}

describe('a password that is rotated is read at each connect', () => {
  const rotated = async (
    name: string,
    databaseUrl: DatabaseUrl | undefined,
    rotate: (to: string) => void,
  ) => {
    if (databaseUrl === undefined) throw new Error('no database')
    const right = new URL(database.url).password
    rotate(right)
    const sink = new PostgresAuditSink({ databaseUrl, applicationName: name })
    expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
    rotate(CANARY)
    expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
    await cut(name)
    const refused = await sink.write(batchOf(anEvent()))
    expect(refused).toMatchObject({ status: expect.stringMatching(/failed|unknown/) })
    expect(inspect(refused, { depth: 9 })).not.toContain(CANARY)
    rotate(right)
    expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
    await sink.close()
  }

  test('from a function', async () => {
    let password = ''
    await rotated(
      'rotated 1',
      async () => withPassword(password),
      (to) => (password = to),
    )
  })

  test('from a file with the URL', async () => {
    const path = file('url', '')
    const { databaseUrl } = resolveOptions({}, { DATABASE_URL_FILE: path })
    await rotated('rotated 2', databaseUrl, (to) => file('url', `${withPassword(to)}\n`))
  })

  test.each([
    ['with another password', 'stale'],
    ['without one', ''],
  ])('from a file with the password, beside a URL %s', async (_, stale) => {
    const path = file('password', '')
    const { databaseUrl } = resolveOptions(
      { databaseUrl: withPassword(stale) },
      { NOETL_SECRET_AUDIT_PASSWORD_FILE: path },
    )
    await rotated('rotated 3', databaseUrl, (to) => file('password', `${to}\n`))
  })

  test('from the password file of libpq', async () => {
    const { hostname, port } = new URL(database.url)
    const path = join(directory, 'pgpass')
    process.env['PGPASSFILE'] = path
    try {
      await rotated('rotated 4', withPassword(''), (to) =>
        writeFileSync(path, `${hostname}:${port}:*:postgres:${to}\n`, { mode: 0o600 }),
      )
    } finally {
      delete process.env['PGPASSFILE']
    }
  })
})

test('what reads the trail may have a file of its own', async () => {
  const path = file('reader', `${database.url}\n`)
  const { readerUrl } = resolveReadOptions({}, { NOETL_SECRET_AUDIT_READER_URL_FILE: path })
  const trail = new Trail({ databaseUrl: readerUrl ?? '' })
  await trail.search({ limit: 1 })
  await trail.close()
})

describe('what gives no URL is told by name, and quoted nowhere', () => {
  test.each<[string, DatabaseUrl]>([
    ['a function that throws', () => Promise.reject(new Error(`no ${CANARY}`))],
    ['a function that gives something else', () => ({ password: CANARY }) as unknown as string],
    ['a function that never answers', () => new Promise<string>(() => {})],
    ['a URL that is not one', () => `postgres://u:${CANARY}@[/x`],
  ])('%s', async (_, databaseUrl) => {
    const sink = new PostgresAuditSink({ databaseUrl, answerTimeoutMs: 200 })
    const result = await sink.write(batchOf(anEvent()))
    expect(result).toMatchObject({
      status: 'failed',
      fault: { message: expect.stringContaining('databaseUrl') },
    })
    expect(inspect(result, { depth: 9, showHidden: true })).not.toContain(CANARY)
    await sink.close()
  })

  test('a file that is not there', async () => {
    const { databaseUrl } = resolveOptions({ databaseUrlFile: join(directory, 'none') }, {})
    const sink = new PostgresAuditSink({ databaseUrl: databaseUrl ?? '' })
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({
      status: 'failed',
      fault: { message: expect.stringContaining('databaseUrlFile cannot be read (ENOENT)') },
    })
    await sink.close()
  })
})

test.each([
  'postgres://u:pw@db1:5432,db2:5432/app?target_session_attrs=read-write',
  'postgres://u:pw@db1,db2/app',
  'postgres://db1:1,db2:2,db3:3/app',
])('a URL with several hosts gets advice that fits: %s', (databaseUrl) => {
  expect(() => resolveOptions({ databaseUrl }, {})).toThrow('a URL with one host')
})

test('a comma in a password is one of a password', () => {
  expect(resolveOptions({ databaseUrl: 'postgres://u:a,b@db1/app' }, {}).databaseUrl).toContain('a,b')
})

import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { AuditError, createAudit } from 'otel-audit'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest'
import { otelAudit } from '../cli/otel-audit.js'
import { loginUrl } from '../../src/options/database-url.js'
import { withOwnerLevel } from '../../src/options/owner-level.js'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { ownerFinding } from '../../src/postgres/owner.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { writerLogin } from '../support/pipeline.js'

const as = (url: string, name: string): string => {
  const other = new URL(url)
  other.username = name
  other.password = 'x'
  return other.href
}

describe('a service that may rewrite its trail', () => {
  let database: TestDatabase
  let client: pg.Client
  let owner: string

  beforeAll(async () => {
    database = await migratedDatabase()
    client = await connect(database.url)
    owner = `${database.name}_owner`
    await client.query(
      `create role ${owner} login password 'x'; grant create on database ${database.name} to ${owner}`,
    )
    await client.query(
      `alter schema noetl owner to ${owner}; alter table noetl.secret_audit owner to ${owner}`,
    )
    await client.query(`grant noetl_audit_writer to ${owner}`)
  })

  afterAll(async () => {
    await client.query(
      `reassign owned by ${owner} to current_user; drop owned by ${owner}; drop role ${owner}`,
    )
    await client.end()
    await database.drop()
  })

  const found = async (url: string, first = 'select 1'): Promise<string | undefined> => {
    const session = await connect(url)
    try {
      await session.query(first)
      return (await ownerFinding(session, 'noetl'))?.message
    } finally {
      await session.end()
    }
  }

  test('is told as what it is, whatever role it has taken', async () => {
    const member = `${database.name}_member`
    await client.query(`create role ${member} login password 'x' in role ${owner}`)
    expect(await found(database.url)).toContain('a superuser')
    expect(await found(database.url, 'set role noetl_audit_writer')).toContain('a superuser')
    expect(await found(as(database.url, owner))).toContain('the owner of the trail')
    expect(await found(as(database.url, owner), 'set role noetl_audit_writer')).toContain('the owner of')
    expect(await found(as(database.url, member))).toContain(`"${member}", the owner of the trail`)
    await client.query(`drop role ${member}`)
    const writer = await writerLogin(database.url)
    expect(await found(writer.url)).toBeUndefined()
    await writer.drop()
  })

  test.each([
    ['production', false, false, 'error'],
    ['production', true, false, 'error'],
    [undefined, true, false, 'error'],
    ['staging', true, false, 'error'],
    ['development', true, false, 'warning'],
    ['development', false, false, 'warning'],
    [undefined, true, true, 'warning'],
    [undefined, false, false, 'warning'],
  ])('NODE_ENV %s, strict %s, autoMigrate %s: %s', (NODE_ENV, isStrict, autoMigrate, level) => {
    const warning = { level: 'warning', check: 'owner', message: '' } as const
    expect(withOwnerLevel([warning], { isStrict, autoMigrate }, { NODE_ENV })).toEqual([
      { ...warning, level },
    ])
  })

  test('does not start strict in production; with a login of its own it does', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    onTestFinished(() => void vi.unstubAllEnvs())
    const mighty = createAudit({ databaseUrl: as(database.url, owner), strict: true })
    await expect(mighty.start()).rejects.toMatchObject({
      code: 'AUDIT_SELF_TEST',
      message: expect.stringContaining('otel-audit migrate --login'),
    })
    await mighty.close()
    const writer = await writerLogin(database.url)
    const own = createAudit({ databaseUrl: writer.url, strict: true })
    expect((await own.start()).findings.filter(({ check }) => check === 'owner')).toEqual([])
    await own.close()
    await writer.drop()
  })

  test('is an error of doctor in production, and a warning without', async () => {
    const env = { DATABASE_URL: as(database.url, owner) }
    const grave = await otelAudit(['doctor'], { ...env, NODE_ENV: 'production' })
    expect(grave.stdout).toMatch(/error {4}owner: .*the owner of the trail/)
    expect(grave.code).toBe(1)
    const mild = await otelAudit(['doctor'], env)
    expect(mild.stdout).toMatch(/warning {2}owner: /)
  })
})

describe('the login of a service', () => {
  let database: TestDatabase
  let client: pg.Client
  let schema: string
  let login: string
  const made: string[] = []

  beforeEach(async () => {
    database = await emptyDatabase()
    client = await connect(database.url)
    schema = `s_${randomBytes(5).toString('hex')}`
    login = `${schema}_orders`
    made.push(login, `${schema}_audit_writer`, `${schema}_audit_reader`)
  })

  afterEach(async () => {
    for (const role of made.splice(0)) {
      const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
      if (rowCount === 1) await client.query(`drop owned by "${role}"; drop role "${role}"`)
    }
    await client.end()
    await database.drop()
  })

  test('is made with the writer role and no more, and its URL is printed without a password', async () => {
    const given = new URL(database.url)
    given.searchParams.set('connect_timeout', '9')
    for (let run = 0; run < 2; run++) {
      const { code, stdout, stderr } = await otelAudit(['migrate', '--schema', schema, '--login', login], {
        DATABASE_URL: given.href,
      })
      expect(code, stderr).toBe(0)
      const url = `postgres://${login}@${given.host}/${database.name}?connect_timeout=9`
      expect(stdout).toContain(`login       ${url}\n`)
      expect(stdout + stderr).not.toContain(given.password || 'no password')
      expect(stderr).toContain(`\\password "${login}"`)
    }
    const { rows } = await client.query(
      `select rolcanlogin and not (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication) as plain,
         (select array_agg(pg_get_userbyid(roleid)::text) from pg_auth_members where member = r.oid) as roles
       from pg_roles r where rolname = $1`,
      [login],
    )
    expect(rows).toEqual([{ plain: true, roles: [`${schema}_audit_writer`] }])
  })

  test('is not one that could do more', async () => {
    await client.query(`create role ${login} login createrole`)
    await expect(migrate({ databaseUrl: database.url, schema, login })).rejects.toThrow('choose another name')
    for (const group of [`${schema}_audit_writer`, `${schema}_audit_reader`]) {
      const asked = migrate({ databaseUrl: database.url, schema, login: group })
      await expect(asked).rejects.toThrow('cannot log in')
    }
    const { rows } = await client.query('select current_user as me')
    await expect(migrate({ databaseUrl: database.url, schema, login: rows[0].me })).rejects.toThrow(
      'choose another',
    )
  })

  test.each(['', 'pg_read_all_data', 'public', 'a\nb', 'x'.repeat(64)])('cannot be %j', async (name) => {
    const asked = migrate({ databaseUrl: database.url, schema, login: name })
    await expect(asked).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'login' })
  })

  test('without CREATEROLE: nothing is made, and the message has the statements, which suffice', async () => {
    const owner = `${schema}_owner`
    made.push(owner)
    await client.query(
      `create role ${owner} login password 'x'; grant create on database ${database.name} to ${owner}`,
    )
    const url = as(database.url, owner)
    const refused = await migrate({ databaseUrl: url, schema, login }).catch((error: Error) => error)
    if (!(refused instanceof AuditError)) throw new Error('it was not refused')
    expect(refused.message).toContain('it lacks CREATEROLE')
    expect((await client.query('select to_regnamespace($1) as made', [schema])).rows).toEqual([
      { made: null },
    ])
    const statements = refused.remedy.split('\n').filter((text) => text.startsWith('  '))
    expect(statements.map((text) => text.trim())).toEqual([
      `CREATE ROLE "${schema}_audit_writer" NOLOGIN;`,
      `CREATE ROLE "${schema}_audit_reader" NOLOGIN;`,
      `CREATE ROLE "${schema}_audit_keeper" NOLOGIN;`,
      `CREATE ROLE "${login}" LOGIN;`,
      `GRANT "${schema}_audit_writer", "${schema}_audit_reader", "${schema}_audit_keeper" TO "${owner}" WITH ADMIN OPTION;`,
    ])
    const withoutLogin = migrate({ databaseUrl: url, schema, roles: true })
    await expect(withoutLogin).rejects.toMatchObject({
      message: expect.stringContaining('it lacks CREATEROLE'),
      remedy: expect.stringMatching(/NOLOGIN;\n.*NOLOGIN;\n.*NOLOGIN;\n.*ADMIN OPTION;$/),
    })
    await client.query(statements.join('\n'))
    const report = await migrate({ databaseUrl: url, schema, login })
    expect(report.applied).not.toEqual([])
  })
})

test.each([
  ['postgres://owner:canary@db.example/app', 'postgres://orders@db.example/app'],
  [
    'postgresql://owner:can@ary@db.example:5432/app?sslmode=require',
    'postgresql://orders@db.example:5432/app?sslmode=require',
  ],
  [
    'postgres:///app?host=/run/postgresql&user=owner&password=canary',
    'postgres://orders@/app?host=/run/postgresql',
  ],
  ['postgres://db.example/app?sslpassword=canary', 'postgres://orders@db.example/app'],
])('the URL of a login: %s', (given, expected) => {
  expect(loginUrl(given, 'orders')).toBe(expected)
})

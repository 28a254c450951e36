import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../../src/sink/postgres/migrate.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { otelAudit } from './otel-audit.js'

interface Report {
  readonly ok: boolean
  readonly configuration: Readonly<Record<string, string>>
  readonly checks: readonly {
    readonly check: string
    readonly findings: readonly { readonly level: string; readonly check: string; readonly message: string }[]
  }[]
}

async function doctor(
  env: Readonly<Record<string, string>>,
): Promise<{ code: number | null; report: Report }> {
  const { code, stdout } = await otelAudit(['doctor', '--format', 'json'], env)
  return { code, report: JSON.parse(stdout) as Report }
}

const levels = (report: Report): string[] =>
  report.checks.flatMap(({ findings }) => findings.map(({ level, check }) => `${level} ${check}`))

describe('otel-audit doctor', () => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await migratedDatabase()
    await migrate({ databaseUrl: database.url, roles: true })
    const client = await connect(database.url)
    await client.query(`create role doctor_writer login; grant noetl_audit_writer to doctor_writer`)
    await client.query(`create role doctor_stranger login`)
    await client.end()
  })

  afterAll(async () => {
    const client = await connect(database.url)
    await client.query('drop role doctor_writer, doctor_stranger')
    await client.end()
    await database.drop()
  })

  const as = (user: string): string => {
    const url = new URL(database.url)
    url.username = user
    url.password = ''
    return url.toString()
  }

  test('finds nothing for a login with the writer role', async () => {
    const { code, report } = await doctor({ DATABASE_URL: as('doctor_writer') })
    expect(levels(report)).toEqual([])
    expect(report.ok).toBe(true)
    expect(report.checks.map(({ check }) => check)).toEqual([
      'connection',
      'schema',
      'rights',
      'partitions',
      'durability',
    ])
    expect(code).toBe(0)
  })

  test('warns of a login that may change rows, and never prints a password', async () => {
    const { code, stdout } = await otelAudit(['doctor'], { DATABASE_URL: database.url })
    expect(stdout).toContain('warning  rights: this login may also change or delete rows')
    expect(stdout).toContain('Records would be durable.')
    expect(stdout).not.toContain(new URL(database.url).password)
    expect(code).toBe(0)
  })

  test('says which grant a login lacks', async () => {
    const { code, report } = await doctor({ DATABASE_URL: as('doctor_stranger') })
    expect(levels(report)).toEqual(['error schema'])
    expect(report.checks.at(-1)?.findings[0]?.message).toContain('noetl_audit_writer')
    expect(code).toBe(1)
  })

  test('names the command that makes missing tables', async () => {
    const empty = await emptyDatabase()
    try {
      const { code, report } = await doctor({ DATABASE_URL: empty.url })
      expect(levels(report)).toEqual(['error schema'])
      expect(report.checks.at(-1)?.findings[0]?.message).toContain('otel-audit migrate')
      expect(code).toBe(1)
    } finally {
      await empty.drop()
    }
  })

  test('alarms when partitions run out, and migrate mends it', async () => {
    const own = await migratedDatabase()
    const client = await connect(own.url)
    try {
      const { rows } = await client.query<{ partition: string }>(
        'select partition from noetl.secret_audit_partitions() order by from_id desc limit 11',
      )
      for (const { partition } of rows) await client.query(`drop table noetl.${partition}`)
      const short = await doctor({ DATABASE_URL: own.url })
      expect(levels(short.report)).toContain('error partitions')
      expect(short.code).toBe(1)
      await otelAudit(['migrate'], { DATABASE_URL: own.url })
      expect(levels((await doctor({ DATABASE_URL: own.url })).report)).not.toContain('error partitions')
    } finally {
      await client.end()
      await own.drop()
    }
  })

  test('says that nobody answers, and that no database is given', async () => {
    const away = await doctor({ DATABASE_URL: 'postgres://somebody:canary-5f0c@127.0.0.1:1/app' })
    expect(levels(away.report)).toEqual(['error connection'])
    expect(JSON.stringify(away.report)).not.toContain('canary-5f0c')
    expect(away.code).toBe(1)
    expect((await doctor({})).code).toBe(1)
  })

  test('refuses a format and a variable that there is not', async () => {
    expect((await otelAudit(['doctor', '--format', 'xml'])).code).toBe(2)
    const { code, stderr } = await otelAudit(['doctor'], { NOETL_SECRET_AUDIT_SHEMA: 'x' })
    expect(stderr).toContain('NOETL_SECRET_AUDIT_SCHEMA')
    expect(code).toBe(2)
  })
})

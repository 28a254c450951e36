import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, emptyDatabase, type TestDatabase } from '../support/database.js'
import { otelAudit } from './otel-audit.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

describe('otel-audit migrate', () => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await emptyDatabase()
  })

  afterAll(() => database.drop())

  test('prints with --dry-run the SQL, and nothing else, on standard output', async () => {
    const { code, stdout } = await otelAudit(['migrate', '--dry-run', '--schema', 'cli'], {
      DATABASE_URL: database.url,
    })
    expect(code).toBe(0)
    expect(stdout).toContain('create table "cli".secret_audit (')
    const client = await connect(database.url)
    expect((await client.query(`select to_regnamespace('cli') as schema`)).rows).toEqual([{ schema: null }])
    // What it printed is what it would have run.
    await client.query(stdout)
    await client.end()
    const again = await otelAudit(['migrate', '--schema', 'cli'], { DATABASE_URL: database.url })
    expect(again.stdout).toMatch(
      /^schema {6}cli\nmigrations {2}none were missing\npartitions {2}none were missing\ntrail {7}[0-9a-f]{32}\n$/,
    )
  })

  test('migrates: progress on standard error, the result on standard output', async () => {
    const { code, stdout, stderr } = await otelAudit(['migrate', '--roles'], {
      // The more specific variable wins.
      NOETL_SECRET_AUDIT_DATABASE_URL: database.url,
      DATABASE_URL: 'postgres://nowhere.invalid/nothing',
    })
    expect(stderr).toContain('migration 2: trail\n')
    expect(stdout).toMatch(
      /^schema {6}noetl\nmigrations {2}1 migration record, 2 trail, 3 partitions, 4 blocks[^\n]*\npartitions {2}14 made: secret_audit_y\d{4}m\d\d to secret_audit_y\d{4}m\d\d\ntrail {7}[0-9a-f]{32}\nroles {7}noetl_audit_writer, noetl_audit_reader, noetl_audit_keeper\n$/,
    )
    expect(code).toBe(0)
  })

  test('--partition-width makes the partitions to come weeks, and doctor says so', async () => {
    const env = { DATABASE_URL: database.url }
    const { code, stdout } = await otelAudit(['migrate', '--schema', 'cli', '--partition-width', 'week'], env)
    expect(stdout).toMatch(/^partitions {2}\d+ made: secret_audit_y\d{4}w\d\d to secret_audit_y\d{4}w\d\d$/m)
    expect(code).toBe(0)
    expect((await otelAudit(['doctor', '--schema', 'cli'], env)).stdout).toMatch(
      /partitions: \d+, one a week, up to/,
    )
    const wrong = await otelAudit(['migrate', '--partition-width', 'year'], env)
    expect(wrong).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('month, week, day') })
  })

  test('takes the schema from its variable', async () => {
    const { stdout } = await otelAudit(['migrate', '--dry-run'], {
      DATABASE_URL: database.url,
      NOETL_SECRET_AUDIT_SCHEMA: 'from_variable',
    })
    expect(stdout).toContain('"from_variable".secret_audit')
  })

  test('fails with 1: code, message, remedy; and no password', async () => {
    const url = 'postgres://owner:canary-4b1e@127.0.0.1:1/app'
    const { code, stdout, stderr } = await otelAudit(['migrate', '--database-url', url])
    expect(stderr).toMatch(
      /^AUDIT_MIGRATION: connect to the database: connect ECONNREFUSED .*\nThe message says which step/,
    )
    expect(stderr + stdout).not.toContain('canary-4b1e')
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })

  test.each([
    ['no database', ['migrate'], {}, 'no database is given'],
    [
      'a URL that is none',
      ['migrate', '--database-url', 'postgres://o:canary-4b1e@[/'],
      {},
      'percent-encoding',
    ],
    [
      'an impossible schema',
      ['migrate', '--schema', 'No'],
      { DATABASE_URL: 'postgres://localhost/x' },
      'schema must be',
    ],
    ['an unknown flag', ['migrate', '--rolls'], {}, '--roles'],
    ['an unknown command', ['migrat'], {}, 'migrate'],
    ['an argument too many', ['migrate', 'now'], {}, 'too many arguments'],
    ['no command', [], {}, 'Usage: otel-audit'],
  ])('usage, exit code 2: %s', async (_, args, env, message) => {
    const { code, stdout, stderr } = await otelAudit(args, env)
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('canary-4b1e')
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })
})

test('--version is that of the package', async () => {
  expect(await otelAudit(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
})

test('--help shows the commands, and of each an example', async () => {
  expect((await otelAudit(['--help'])).stdout).toContain('migrate [options]')
  const { code, stdout } = await otelAudit(['migrate', '--help'])
  expect(stdout).toContain('$ otel-audit migrate --roles')
  expect(code).toBe(0)
})

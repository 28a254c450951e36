import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, gzipSync } from 'node:zlib'
import { PostgresAuditSink } from 'otel-audit'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditFields } from '../../src/event/event.js'
import { aCloudTrailEvent, aVaultLine } from '../reconcile/provider-logs.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { readTrail } from '../support/trail.js'
import { otelAudit, type Result } from './otel-audit.js'

/** What the logs hold and no output may: a value that was logged raw, and one of a request. */
const CANARY = 'canary-reconcile-7c1f'

/** On a whole second, and not so long ago that its partition is not there. */
const START = Math.floor(Date.now() / 1000) * 1000 - 600_000
const at = (ms: number): string => new Date(START + ms).toISOString()
const WINDOW = ['--from', at(-60_000), '--to', at(60_000)]

let database: TestDatabase
let client: Client
let sink: PostgresAuditSink
let directory: string
let env: Record<string, string>

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  sink = new PostgresAuditSink({ databaseUrl: database.url })
  directory = mkdtempSync(join(tmpdir(), 'reconcile-'))
  env = { DATABASE_URL: database.url }
  await recorded('orders-db', 0, { provider: 'aws', api: 'GetSecretValue', request_id: 'aws-1' })
  await recorded('billing-db', 1000, { provider: 'aws', api: 'GetSecretValue', request_id: 'aws-2' })
  await recorded('gone', 2000, { provider: 'aws', request_id: 'aws-not-logged' })
  await recorded('secret/orders-db', 0, { provider: 'vault', request_id: 'vault-1' })
  await recorded('secret/wire', 400, { provider: 'vault', seen: 'wire' })
  await recorded('of-our-own', 0, {})
})

afterAll(async () => {
  await sink.close()
  await client.end()
  await database.drop()
  rmSync(directory, { recursive: true })
})

async function recorded(
  credential: string,
  ms: number,
  attributes: AuditFields['attributes'],
): Promise<void> {
  const event = anEvent(
    { credential, attributes },
    { occurredAt: (START + ms) * 1000, serviceName: 'orders' },
  )
  await sink.write(batchOf(event))
}

function file(name: string, content: string | Buffer): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

const event = (requestID: string, ms: number, changes: object = {}): object =>
  aCloudTrailEvent({
    requestID,
    eventTime: at(ms).replace('.000Z', 'Z'),
    responseElements: { note: CANARY },
    ...changes,
  })
const records = (...events: readonly object[]): string => JSON.stringify({ Records: events })
const vaultLog = (...lines: readonly object[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join('')
const vaultLine = (id: string, ms: number, changes: object = {}): object =>
  aVaultLine({ id, time: at(ms), data: { data: { password: CANARY }, metadata: {} }, ...changes })

const reconcile = (...args: readonly string[]): Promise<Result> => otelAudit(['reconcile', ...args], env)
const reportOf = ({ stdout }: Result): Record<string, unknown> =>
  JSON.parse(stdout) as Record<string, unknown>

const COMPLETE = [
  vaultLine('vault-1', -3),
  vaultLine('vault-2', 300, { path: 'secret/data/wire' }),
  vaultLine('vault-3', 300, { path: 'sys/health', mount: 'sys/', mountType: 'system' }),
]

describe('otel-audit reconcile', () => {
  test('says that each access is on both sides, and how that is known', async () => {
    const result = await reconcile('--vault-audit', file('complete.log', vaultLog(...COMPLETE)), ...WINDOW)
    expect(result.code).toBe(0)
    expect(reportOf(result)).toMatchObject({
      result: 'complete',
      files: 1,
      malformed: 0,
      logs: [{ log: 'vault', entries: 3, accesses: 2, first: expect.stringMatching(/Z$/) }],
      rows: 2,
      both: 2,
      matched_by: { request_id: 1, path_and_time: 1 },
      only_in_the_trail: [],
      only_by_the_provider: [],
    })
  })

  test('names what is on one side only: in a table, and as JSON', async () => {
    const log = file(
      'trail.json.gz',
      gzipSync(
        records(
          event('aws-1', 0),
          event('aws-2', 1000, { requestParameters: { secretId: 'billing-db' } }),
          event('aws-unseen', 2000, { requestParameters: { secretId: 'payroll' } }),
          event('aws-throttled', 2000, { errorCode: 'ThrottlingException' }),
          event('aws-by-service', 2000, { userIdentity: { invokedBy: 'rds.amazonaws.com' } }),
        ),
      ),
    )
    const result = await reconcile('--cloudtrail', log, ...WINDOW)
    expect(result.code).toBe(1)
    expect(reportOf(result)).toMatchObject({
      result: 'differences',
      logs: [{ log: 'cloudtrail', entries: 5, accesses: 4, byServices: 1 }],
      both: 2,
      not_compared: { repeated_attempts: 1 },
      only_in_the_trail: [{ credential: 'gone', request_id: 'aws-not-logged', service_name: 'orders' }],
      only_by_the_provider: [
        {
          credential: 'payroll',
          request_id: 'aws-unseen',
          api: 'GetSecretValue',
          result: 'released',
          identity: 'arn:aws:sts::111122223333:assumed-role/orders/i-1',
        },
      ],
    })
    const table = await reconcile('--cloudtrail', log, ...WINDOW, '--format', 'table')
    expect(table.stdout).toMatch(/^CloudTrail +4 accesses in 5 entries, /)
    expect(table.stdout).toMatch(/^on both sides +2$/m)
    expect(table.stdout).toMatch(/^CloudTrail +\S+Z +payroll +released +aws-unseen +GetSecretValue +arn:aws/m)
    expect(table.stdout).toMatch(/^the trail +\S+Z +gone +ok +aws-not-logged +\d+ +orders$/m)
    expect(table.code).toBe(1)
    const byOthers = await reconcile('--cloudtrail', log, ...WINDOW, '--identity', 'arn:aws:iam:*')
    expect(reportOf(byOthers)).toMatchObject({
      not_compared: { of_other_identities: 2 },
      only_by_the_provider: [],
    })
  })

  test('compares several logs and files at once, and the rows of one service where that is asked for', async () => {
    const first = file('first.json', records(event('aws-1', 0)))
    const second = file(
      'second.json',
      records(event('aws-2', 1000), event('aws-not-logged', 2000)).replace('"Records"', '\n "Records"'),
    )
    const vault = file('vault.log', vaultLog(...COMPLETE))
    const logs = ['--cloudtrail', first, second, '--vault-audit', vault]
    const result = await reconcile(...logs, ...WINDOW)
    expect(reportOf(result)).toMatchObject({ result: 'complete', files: 3, rows: 5, both: 5 })
    expect(result.code).toBe(0)
    const other = await reconcile(...logs, ...WINDOW, '--service-name', 'billing')
    expect(reportOf(other)).toMatchObject({ rows: 0, both: 0 })
    expect(other.code).toBe(1)
  })

  test('says what it could not read, and that the rest is not all', async () => {
    const cut = vaultLog(...COMPLETE)
    const log = file('cut.log', `${cut}not a line\n${cut.slice(0, 100)}`)
    const { code, stdout, stderr } = await reconcile('--vault-audit', log, ...WINDOW)
    expect(JSON.parse(stdout)).toMatchObject({ result: 'incomplete', malformed: 2, both: 2 })
    expect(stderr).toContain('cut.log: 2 pieces are not entries of this log, or are cut off')
    expect(code).toBe(2)
  })

  test('does not take a file that is cut off for a whole one', async () => {
    const gz = gzipSync(records(event('aws-1', 0)))
    const { code, stdout, stderr } = await reconcile(
      '--cloudtrail',
      file('cut.gz', gz.subarray(0, -20)),
      ...WINDOW,
    )
    expect(stderr).toMatch(/AUDIT_EVIDENCE_MALFORMED: .*cut\.gz cannot be read to its end \(Z_BUF_ERROR\)/)
    expect([code, stdout]).toEqual([2, ''])
  })

  test.each([
    [[], 'reconcile needs --cloudtrail FILE, or --vault-audit FILE'],
    [['--vault-audit', '/nowhere/at/all.log'], 'cannot be read to its end (ENOENT)'],
    [['--vault-audit', 'empty'], 'the files have no entry of such a log'],
    [['--vault-audit', 'empty', '--format', 'csv'], '--format must be table or json, not csv'],
    [['--vault-audit', 'empty', '--from', 'yesterday'], 'from must be an RFC 3339 time'],
  ])('that cannot be done is exit code 2: %j', async (args, message) => {
    const empty = file('empty', '')
    const { code, stdout, stderr } = await reconcile(...args.map((arg) => (arg === 'empty' ? empty : arg)))
    expect(stderr).toContain(message)
    expect([code, stdout]).toEqual([2, ''])
  })

  test('leaves a row that says what was read, and shows nothing where it cannot', async () => {
    const log = file('complete.log', vaultLog(...COMPLETE))
    await reconcile('--vault-audit', log, ...WINDOW)
    const read = await client.query<{ attributes: Record<string, unknown> }>(
      `select attributes from noetl.secret_audit where operation = 'query_trail' order by audit_id desc limit 1`,
    )
    expect(read.rows[0]?.attributes).toMatchObject({ what: 'reconcile', via: 'cli', rows: 2 })
    expect(JSON.parse(String(read.rows[0]?.attributes['filter']))).toMatchObject({ logs: ['vault'] })
    const nowhere = await otelAudit(['reconcile', '--vault-audit', log], {
      ...env,
      NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: '/nowhere/at/all.pem',
    })
    expect([nowhere.code, nowhere.stdout]).toEqual([2, ''])
    expect(nowhere.stderr).toContain('AUDIT_READ_FAILED')
  })

  test('needs no more memory for a longer log', async () => {
    const path = join(directory, 'long.json.gz')
    const padding = { ...event('x', 0), eventSource: 'ec2.amazonaws.com', additional: 'x'.repeat(100_000) }
    const text = JSON.stringify(padding)
    const document = function* (): Generator<string> {
      yield '{"Records":['
      for (let i = 0; i < 1500; i++) yield `${text},`
      yield `${JSON.stringify(event('aws-1', 0))}]}`
    }
    await pipeline(Readable.from(document()), createGzip({ level: 1 }), createWriteStream(path))
    const small = { ...env, NODE_OPTIONS: '--max-old-space-size=64' }
    const { stdout, stderr } = await otelAudit(['reconcile', '--cloudtrail', path], small)
    expect(stderr).not.toContain('heap')
    expect(JSON.parse(stdout)).toMatchObject({ logs: [{ entries: 1501, accesses: 1 }], both: 1 })
  })

  test('shows, records and says nothing of what else the logs hold', async () => {
    const log = file('canary.log', `${vaultLog(...COMPLETE)}{"password":"${CANARY}"\n`)
    const trail = file('canary.json', records(event('unseen', 0)))
    const outputs = await Promise.all(
      ['table', 'json'].map((format) =>
        reconcile('--vault-audit', log, '--cloudtrail', trail, ...WINDOW, '--format', format),
      ),
    )
    expect(outputs.map(({ code }) => code)).toEqual([1, 1])
    expect(JSON.stringify(outputs)).not.toContain(CANARY)
    expect(
      JSON.stringify((await readTrail(client)).map(({ event: row }) => row.attributesJson)),
    ).not.toContain(CANARY)
  })
})

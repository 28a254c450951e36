import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Operation, Outcome, PostgresAuditSink } from 'otel-audit'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { FILTER_FIELDS } from '../../src/query/filter-fields.js'
import { temporaryDirectory } from '../spool/directories.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { waitUntil } from '../support/wait-until.js'
import { otelAudit } from './otel-audit.js'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const ESCAPE = '\u001b[31m'

let database: TestDatabase
let client: Client
let sink: PostgresAuditSink
let env: Record<string, string>

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  env = { DATABASE_URL: database.url }
  sink = new PostgresAuditSink({ databaseUrl: database.url })
  for (let i = 0; i < 12; i++) {
    await sink.write(
      batchOf(
        anEvent({
          credential: i % 3 === 0 ? 'billing-db' : 'orders-db',
          outcome: i % 4 === 0 ? Outcome.NoPubkey : Outcome.Ok,
          workerId: `worker-${i % 2}`,
          executionId: BigInt(1000 + i),
        }),
      ),
    )
  }
  await client.query(
    `insert into noetl.secret_audit (audit_id, credential, operation, outcome)
     values (((extract(epoch from now()) * 1000)::bigint - 1704067200000) << 22, $1, 'get_credential', 'ok')`,
    [`${ESCAPE}forged\u202e`],
  )
})

afterAll(async () => {
  await sink.close()
  await client.end()
  await database.drop()
})

interface ReadRow {
  readonly outcome: string
  readonly actor_id: string
  readonly attributes: Record<string, unknown>
}

async function lastRead(): Promise<ReadRow | undefined> {
  const { rows } = await client.query<ReadRow>(
    `select outcome, actor_id, attributes from noetl.secret_audit where operation like '%_trail' order by audit_id desc limit 1`,
  )
  return rows[0]
}

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('otel-audit query', () => {
  test('shows rows in a pipe as NDJSON, and leaves a row that says who asked for what', async () => {
    const { code, stdout } = await otelAudit(['query', '--credential', 'orders-db', '--from', '-1h'], env)
    expect(code).toBe(0)
    expect(lines(stdout)).toHaveLength(8)
    const read = await lastRead()
    expect(read).toMatchObject({
      outcome: 'ok',
      actor_id: userInfo().username,
      attributes: { what: 'rows', via: 'cli', rows: 8 },
    })
    expect(JSON.parse(String(read?.attributes['filter']))).toMatchObject({ credential: 'orders-db' })
  })

  test('pages by the cursor that it prints', async () => {
    const ids: unknown[] = []
    let next: readonly string[] = []
    for (;;) {
      const { stdout, stderr } = await otelAudit(
        ['query', '--credential', 'orders-*', '--limit', '3', ...next],
        env,
      )
      ids.push(...lines(stdout).map((row) => row['audit_id']))
      const [, cursor] = /--cursor (\S+)/.exec(stderr) ?? []
      if (cursor === undefined) break
      next = ['--cursor', cursor]
    }
    expect(ids).toHaveLength(8)
    expect(new Set(ids).size).toBe(8)
  })

  test('finds and shows where a request came from, which service it was, and how many events were lost, and why', async () => {
    const other = await migratedDatabase()
    const own = new PostgresAuditSink({ databaseUrl: other.url })
    const from = anEvent({ credential: 'orders-db', sourceAddress: '192.0.2.7' })
    await own.write(batchOf(from, anEvent({ credential: 'orders-db', sourceAddress: '192.0.2.70' })))
    await own.close()
    const writer = await connect(other.url)
    const lost = ['{"count":132,"reason":"queue_full"}', 'null', '[1]', '"x"', '{"count":{},"reason":null}']
    for (const [i, attributes] of lost.entries()) {
      await writer.query(
        `insert into noetl.secret_audit (audit_id, credential, operation, outcome, attributes)
         values ((((extract(epoch from now()) * 1000)::bigint - 1704067200000) << 22) + $1, 'secret_audit', 'audit_gap', 'lost', $2)`,
        [i, attributes],
      )
    }
    await writer.end()
    const query = async (...args: readonly string[]) =>
      (await otelAudit(['query', '--unrecorded', '--from', '-1h', ...args], { DATABASE_URL: other.url }))
        .stdout
    expect(lines(await query('--source-address', '192.0.2.7')).map((row) => row['audit_id'])).toEqual([
      String(from.auditId),
    ])
    const table = await query('--format', 'table')
    expect(table).toMatch(/ orders-db .* 192\.0\.2\.7 /)
    expect(table).toContain(' lost 132 queue_full ')
    expect(table.split('\n').filter((line) => line.includes('audit_gap'))).toHaveLength(lost.length)
    await other.drop()
  })

  test('as a table is plain text in a pipe, and nothing of a row reaches the terminal', async () => {
    const { stdout } = await otelAudit(['query', '--format', 'table'], env)
    expect(stdout.split('\n')[0]).toMatch(
      /^TIME +CREDENTIAL +OPERATION +OUTCOME +EXECUTION +WHO +SERVICE +FROM +REGION +AUDIT ID$/,
    )
    expect(stdout).toContain('\\u001b[31mforged\\u202e')
    expect(stdout).not.toContain('\u001b')
    expect(stdout).not.toContain('\u202e')
    const none = await otelAudit(['query', '--format', 'table', '--credential', 'nothing'], env)
    expect(none.stdout).toBe('No rows match.\n')
  })

  test('as JSON is one document, as CSV one with a head', async () => {
    const { stdout } = await otelAudit(['query', '--format', 'json', '--limit', '2', '--settled'], env)
    expect(JSON.parse(stdout)).toMatchObject({
      rows: [{}, {}],
      next_cursor: expect.any(String),
      mark: expect.stringMatching(/^\d+$/),
    })
    const csv = await otelAudit(['query', '--format', 'csv', '--execution-id', '1001'], env)
    expect(csv.stdout.split('\r\n')).toHaveLength(3)
  })

  test('can gate: 3 when there are rows, 0 when there are none', async () => {
    const gate = (outcome: string) =>
      otelAudit(['query', '--outcome', outcome, '--exit-code', '--credential', 'billing-db'], env)
    expect((await gate('not-ok')).code).toBe(3)
    expect((await gate('wrong_region')).code).toBe(0)
  })

  test('shows nothing when its row cannot be written, unless it is told so', async () => {
    await client.query('drop role if exists cli_auditor')
    await client.query('create role cli_auditor login in role noetl_audit_reader')
    onTestFinished(async () => void (await client.query('drop role cli_auditor')))
    const url = new URL(database.url)
    url.username = 'cli_auditor'
    url.password = ''
    const auditor = { DATABASE_URL: url.href }
    const refused = await otelAudit(['query'], auditor)
    expect(refused.code).toBe(1)
    expect(refused.stdout).toBe('')
    expect(refused.stderr).toContain('AUDIT_READ_FAILED')
    expect(refused.stderr).toContain('--unrecorded')
    const { code, stdout, stderr } = await otelAudit(['query', '--unrecorded', '--limit', '5'], auditor)
    expect(code).toBe(0)
    expect(lines(stdout)).toHaveLength(5)
    expect(stderr).toContain('is not recorded')
    // Read as one, recorded as the other.
    const both = await otelAudit(['query', '--limit', '5'], {
      ...env,
      NOETL_SECRET_AUDIT_READER_URL: url.href,
    })
    expect(both.code).toBe(0)
  })

  test('says which option is at fault when its row cannot be written for that', async () => {
    const { code, stderr } = await otelAudit(['query'], {
      ...env,
      NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: '/nowhere/at/all.pem',
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/enrolmentKeyFile \S+ cannot be read \(ENOENT\).*\nCorrect the option\./)
    expect(stderr).not.toContain('login')
  })

  test('says which grant is missing', async () => {
    await client.query('drop role if exists cli_stranger')
    await client.query('create role cli_stranger login')
    onTestFinished(async () => void (await client.query('drop role cli_stranger')))
    const url = new URL(database.url)
    url.username = 'cli_stranger'
    const { code, stderr } = await otelAudit(['query', '--reader-url', url.href], env)
    expect(code).toBe(1)
    expect(stderr).toContain('GRANT noetl_audit_reader TO <this login>')
  })

  test.each([
    [['query', '--limit', '0'], 'limit must be an integer from 1 to 10000'],
    [['query', '--worker-id', 'w'], 'worker_id alone would read the whole trail'],
    [['query', '--from', 'yesterday'], 'from must be an RFC 3339 time'],
    [['query', '--limit', 'many'], 'limit must be an integer from 1 to 10000'],
    [['query', '--settled', 'abc'], 'settled must be true, false, or the mark of an earlier answer'],
    [['query', '--cursor', 'x'], 'cursor is not a cursor of this trail: use next_cursor unchanged'],
    [['query', '--format', 'xml'], 'error: --format must be'],
    [['query', '--crednetial', 'x'], '--credential'],
    [['summary', '--cursor', 'x'], '--cursor'],
    [['summary', '--format', 'xml'], '--format must be'],
    [['summary', '--by', 'notes'], 'by must be one of'],
    [['summary', '--order', 'random'], 'order must be one of'],
    [['tail', '--lines', 'many'], '--lines must be'],
    [['tail', '--format', 'csv'], '--format must be'],
    [['export', '--format', 'table'], '--format must be'],
    [['export', '--resume'], '--resume needs --output'],
    [['serve', '--port', 'http'], '--port must be an integer from 0 to 65535, not http'],
    [['serve', '--host', '0.0.0.0'], 'host 0.0.0.0 is not a loopback address'],
  ])('usage, exit code 2: %j', async (args, message) => {
    const { code, stdout, stderr } = await otelAudit(args, env)
    expect(stderr).toContain(message)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  test.each(['query', 'tail', 'export', 'summary', 'coverage', 'serve'])(
    '%s needs a database, and has an example',
    async (name) => {
      const { code, stderr } = await otelAudit([name])
      expect(stderr).toContain('no database is given')
      expect(code).toBe(2)
      expect((await otelAudit([name, '--help'])).stdout).toContain(`$ otel-audit ${name}`)
    },
  )

  test('has a flag for everything that a filter has, with its meaning', async () => {
    const { stdout } = await otelAudit(['query', '--help'])
    const help = stdout.replaceAll(/\s+/g, ' ')
    for (const [name, { doc }] of Object.entries(FILTER_FIELDS)) {
      expect(help).toContain(`--${name.replaceAll('_', '-')} `)
      expect(help).toContain(doc.replaceAll('`', '').replace(/\.$/, ''))
    }
  })
})

test('a reader of the pipe that has had enough is no failure', async () => {
  const command = `'${process.execPath}' '${MAIN}' query --limit 10000; echo "code $?" >&2`
  const child = spawn('sh', ['-c', `(${command}) | head -c 1`], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stdout.resume()
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  await once(child, 'close')
  // On a busy machine it says that it is still reading.
  expect(stderr.replace('reading …\n', '')).toBe('code 0\n')
})

test.each([
  [{ NOETL_SECRET_AUDIT_OIDC_ISSUER: 'https://issuer.example' }, 'must be set together'],
  [{ NOETL_SECRET_AUDIT_OIDC_AUDIENCE: 'audit' }, 'must be set together'],
  [
    { NOETL_SECRET_AUDIT_OIDC_ISSUER: 'http://issuer.example', NOETL_SECRET_AUDIT_OIDC_AUDIENCE: 'audit' },
    'oidcIssuer must be an https URL',
  ],
  [{ NOETL_SECRET_AUDIT_TRACE_URL: 'javascript:{trace_id}' }, 'traceUrl must be'],
])('serve refuses %j', async (options, message) => {
  const { code, stderr } = await otelAudit(['serve', '--port', '0'], { ...env, ...options })
  expect(stderr).toContain(message)
  expect(code).toBe(2)
})

test('otel-audit summary counts per credential, in every format', async () => {
  const { stdout } = await otelAudit(['summary', '--format', 'json', '--credential', '*-db'], env)
  expect(JSON.parse(stdout)).toEqual({ by: 'credential', groups: [], truncated: false })
  const all = await otelAudit(['summary'], env)
  expect(lines(all.stdout)).toMatchObject([
    { value: 'orders-db', accesses: 8, denials: 2, workers: 2 },
    { value: 'billing-db', accesses: 4, denials: 1, workers: 2 },
    { accesses: 1, denials: 0, workers: 0 },
  ])
  const named = await otelAudit(['summary', '--order', 'name'], env)
  const names = lines(named.stdout).map((one) => String((one as { readonly value?: unknown }).value))
  expect(names).toHaveLength(3)
  expect(names).toEqual(names.toSorted())
  const table = await otelAudit(['summary', '--format', 'table', '--limit', '1'], env)
  expect(table.stdout).toMatch(/^CREDENTIAL +ACCESSES +DENIALS .*\norders-db +8 +2 /)
  expect(table.stderr).toContain('--limit')
  const who = await otelAudit(
    ['summary', '--by', 'worker_id', '--credential', 'orders-db', '--format', 'table'],
    env,
  )
  expect(who.stdout).toMatch(/^WORKER ID +ACCESSES .*\nworker-\d +4 /)
  const csv = await otelAudit(['summary', '--format', 'csv'], env)
  expect(csv.stdout.split('\r\n')[1]).toMatch(/^orders-db,8,2,2,0,2/)
})

test('otel-audit export writes to a file with a manifest, and to standard output', async () => {
  const file = join(temporaryDirectory(), 'orders.ndjson')
  const { code, stdout } = await otelAudit(['export', '--credential', 'orders-db', '--output', file], env)
  expect(code).toBe(0)
  const manifest = JSON.parse(readFileSync(`${file}.manifest.json`, 'utf8')) as Record<
    'bytes' | 'sha256',
    string
  >
  expect(stdout).toBe(`8 rows, ${manifest['bytes']} bytes, sha256 ${manifest['sha256']}\n`)
  expect(await lastRead()).toMatchObject({
    attributes: { what: 'export', rows: 8, sha256: manifest['sha256'] },
  })
  const piped = await otelAudit(['export', '--credential', 'orders-db'], env)
  expect(piped.stdout).toBe(readFileSync(file, 'utf8'))
  expect((await otelAudit(['export', '--credential', 'orders-db', '--output', file], env)).stderr).toContain(
    'AUDIT_EXPORT',
  )
})

test('otel-audit tail shows every row once as it comes, until it is interrupted', async () => {
  const child = spawn(process.execPath, [MAIN, 'tail', '--credential', 'tailed', '--lines', '2'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  for (let i = 0; i < 3; i++)
    await sink.write(batchOf(anEvent({ credential: 'tailed', operation: Operation.GetSealed })))
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
  })
  const rows = (): Record<string, unknown>[] =>
    shown === '' ? [] : lines(shown.slice(0, shown.lastIndexOf('\n')))
  await waitUntil('what there was', () => rows().length >= 2)
  for (let i = 0; i < 5; i++) await sink.write(batchOf(anEvent({ credential: 'tailed', notes: `late ${i}` })))
  await waitUntil(
    'what came',
    () => rows().filter(({ notes }) => String(notes).startsWith('late')).length === 5,
  )
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
  const ids = rows().map(({ audit_id }) => audit_id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(
    rows()
      .slice(-5)
      .map(({ notes }) => notes),
  ).toEqual([0, 1, 2, 3, 4].map((i) => `late ${i}`))
  expect(await lastRead()).toMatchObject({ outcome: 'ok', attributes: { what: 'tail', rows: ids.length } })
})

test('otel-audit serve answers with its token, and ends on SIGTERM', async () => {
  const NOETL_INTERNAL_API_TOKEN = 'canary-serve-5b1d'
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0'], {
    env: { ...env, NOETL_INTERNAL_API_TOKEN },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  const url = await waitUntil('its address', () => /^http:\S+/.exec(said)?.[0])
  const path = `${url}/api/internal/secret-audit?credential=orders-db`
  expect((await fetch(path)).status).toBe(401)
  const answer = await fetch(path, { headers: { authorization: `Bearer ${NOETL_INTERNAL_API_TOKEN}` } })
  expect(((await answer.json()) as { rows: unknown[] }).rows).toHaveLength(8)
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  const scraped = await (await fetch(`${url}/metrics`)).text()
  expect(scraped).toMatch(/^http_server_request_duration_count\{.*http_response_status_code="401".*\} 1$/m)
  expect(scraped).toMatch(
    /^noetl_secret_audit_writes_total\{operation="query_trail",outcome="ok",status="written".*\} 1$/m,
  )
  const second = await otelAudit(['serve', '--port', new URL(url).port], env)
  expect(second.stderr).toContain('is in use: stop what listens there, or choose another port')
  expect(second.code).toBe(2)
  const nowhere = await otelAudit(['serve', '--host', '192.0.2.1'], { ...env, NOETL_INTERNAL_API_TOKEN })
  expect(nowhere.stderr).toContain('(EADDRNOTAVAIL): host must be an address of this machine')
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(said).not.toContain(NOETL_INTERNAL_API_TOKEN)
  expect(said).not.toContain(new URL(database.url).password)
})

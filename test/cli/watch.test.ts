import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { connect } from '../support/database.js'
import { waitUntil } from '../support/wait-until.js'
import { OldTrail } from '../archive/old-trail.js'
import { otelAudit } from './otel-audit.js'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const ORIGIN = 'otel-audit/wallet'

let trail: OldTrail
let directory: string
const path = (name: string): string => join(directory, name)

beforeAll(async () => {
  trail = await OldTrail.create(1)
  for (let day = 0; day < 28; day++) await trail.write(trail.event(0, day * 86_400 + 1))
})

afterAll(() => trail.drop())

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verify-watch-'))
  const args = ['keys', 'create', '--verifier', '--origin', ORIGIN, '--out', path('verifier.pem')]
  const { stdout } = await otelAudit(args)
  writeFileSync(path('audit.trust'), `origin ${ORIGIN}\n${stdout}`)
  return () => rmSync(directory, { recursive: true })
})

interface Started {
  readonly child: ChildProcess
  readonly printed: { stdout: string; stderr: string }
  /** A metric by its name without the common beginning. */
  metric(url: string, name: string): Promise<number | undefined>
}

function start(args: readonly string[], env: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
    })
  }
  return {
    child,
    printed,
    async metric(url, name) {
      const text = await (await fetch(`${url}/metrics`)).text()
      const [, value] = new RegExp(`^noetl_secret_audit_verify_${name}\\{.*\\} (\\S+)$`, 'm').exec(text) ?? []
      return value === undefined ? undefined : Number(value)
    },
  }
}

const STATE = (): readonly string[] => [
  '--trust',
  path('audit.trust'),
  '--state',
  path('verify.state'),
  '--verifier-key',
  path('verifier.pem'),
]

async function alter(): Promise<void> {
  await trail.owner.query('alter table noetl.secret_audit disable trigger user')
  await trail.owner.query(
    `update noetl.secret_audit set notes = 'other' where audit_id = (select min(audit_id) from noetl.secret_audit)`,
  )
}

async function settled({ child }: Started): Promise<void> {
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(readdirSync(directory).filter((name) => name.startsWith('verify.state'))).toEqual(['verify.state'])
}

test('otel-audit verify --watch: rounds, metrics, a record of each, and a database that is away for a while', async () => {
  const args = [
    'verify',
    ...STATE(),
    '--watch',
    '1s',
    '--metrics-port',
    '0',
    '--record',
    '--metrics',
    path('m.prom'),
  ]
  const started = start([...args, '--format', 'ndjson'], { DATABASE_URL: trail.database.url })
  const { printed, metric } = started
  const url = await waitUntil('its address', () => /metrics at (\S+)\/metrics/.exec(printed.stderr)?.[1])
  await waitUntil('a success', () => metric(url, 'last_success'))
  expect(await metric(url, 'findings')).toBe(0)
  const rows = await waitUntil('a second round', () => {
    const reports = printed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { incremental: object })
    return reports.length > 1 && reports
  })
  expect(rows[0]).toMatchObject({ type: 'report', incremental: { sequence: 1, full: true } })
  expect(rows[1]).toMatchObject({ incremental: { sequence: 2, full: false } })
  expect(readFileSync(path('m.prom'), 'utf8')).toMatch(/^noetl_secret_audit_verify_findings 0$/m)

  const server = await connect(trail.database.url.replace(/\/[^/]*$/, '/postgres'))
  const name = new URL(trail.database.url).pathname.slice(1)
  await server.query(`alter database ${name} with allow_connections false`)
  await waitUntil('a failure', async () => ((await metric(url, 'failures_total')) ?? 0) > 0)
  expect(printed.stderr).toContain('not verified: AUDIT_')
  const before = await metric(url, 'last_success')
  await server.query(`alter database ${name} with allow_connections true`)
  await server.end()
  await waitUntil('a later success', async () => ((await metric(url, 'last_success')) ?? 0) > (before ?? 0))
  await settled(started)
  const { rows: recorded } = await trail.owner.query(
    `select from noetl.secret_audit where operation = 'audit_verify' and outcome = 'ok'`,
  )
  expect(recorded.length).toBeGreaterThan(1)
})

test('otel-audit serve --verify-every: in its metrics, while it answers', async () => {
  const env = { DATABASE_URL: trail.database.url, NOETL_SECRET_AUDIT_VERIFY_EVERY: '1s' }
  const started = start(['serve', '--port', '0', ...STATE(), '--full-every', '1s'], env)
  const { printed, metric } = started
  const url = await waitUntil('its address', () => /^http:\S+/.exec(printed.stdout)?.[0])
  await waitUntil('a success', () => metric(url, 'last_success'))
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  await alter()
  await waitUntil('a finding', async () => ((await metric(url, 'findings')) ?? 0) > 0)
  await waitUntil('a word about it', () => printed.stderr.includes('row-changed: row '))
  await settled(started)
})

test('a length of time that is none, and a port that is none, are refused', async () => {
  const env = { DATABASE_URL: trail.database.url }
  const watch = await otelAudit(['verify', '--watch', 'often'], env)
  expect([watch.code, watch.stderr]).toEqual([
    2,
    expect.stringContaining('watch must be a number of seconds'),
  ])
  const port = await otelAudit(['verify', '--watch', '1h', '--metrics-port', 'x'], env)
  expect([port.code, port.stderr]).toEqual([2, expect.stringContaining('--metrics-port must be an integer')])
  const serve = await otelAudit(['serve', '--port', '0', '--verify-every', 'often'], env)
  expect([serve.code, serve.stderr]).toEqual([
    2,
    expect.stringContaining('verifyEvery must be a number of seconds'),
  ])
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { AuditEvent } from '../../../src/event/event.js'
import { FakeAws } from '../../instrument/fakes/fake-aws.js'
import type { FakeServer } from '../../instrument/fakes/fake-server.js'
import { fakeVault } from '../../instrument/fakes/fake-vault.js'
import { CuttingProxy } from '../../support/cutting-proxy.js'
import { migratedDatabase, type TestDatabase } from '../../support/database.js'
import { OtlpReceiver } from '../../support/otlp-receiver.js'
import { writerLogin } from '../../support/pipeline.js'
import { packageRoot } from '../../support/postgres/package-root.js'
import { exportingTo, Program } from '../../support/program.js'
import { readTrail } from '../../support/trail.js'
import { waitUntil } from '../../support/wait-until.js'

const CANARY = 'canary-8e2a-of-the-example'
const APP = join(packageRoot(), 'examples', 'zero-code', 'app.mjs')

let database: TestDatabase
let login: Awaited<ReturnType<typeof writerLogin>>
let aws: FakeAws
let vault: FakeServer
let receiver: OtlpReceiver
let bundles: string

beforeAll(async () => {
  database = await migratedDatabase()
  login = await writerLogin(database.url)
  aws = await FakeAws.start(CANARY)
  vault = await fakeVault(CANARY)
  receiver = await OtlpReceiver.start()
  bundles = await mkdtemp(join(tmpdir(), 'otel-audit-bundle-'))
})

afterAll(async () => {
  await rm(bundles, { recursive: true })
  await receiver.close()
  await vault.close()
  await aws.close()
  await login.drop()
  await database.drop()
})

/** The application, bundled and minified as one file. */
async function bundled(): Promise<string> {
  const outfile = join(bundles, 'app.cjs')
  await build({
    entryPoints: [APP],
    outfile,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  })
  return outfile
}

function started(file: string, env: Readonly<Record<string, string>> = {}): Program {
  const { region, endpoint, credentials } = aws.config
  const program = new Program({
    args: ['--import', 'otel-audit/register', file],
    cwd: packageRoot(),
    env: {
      ...exportingTo(receiver.url),
      OTEL_SERVICE_NAME: 'orders',
      DATABASE_URL: login.url,
      PORT: '0',
      AWS_REGION: region,
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      VAULT_ADDR: vault.url,
      VAULT_TOKEN: 'hvs.of-the-example',
      ...env,
    },
  })
  onTestFinished(() => program.kill())
  return program
}

/** What has been stored since the last time, but for what the pipeline says about itself. */
async function newRows(): Promise<readonly AuditEvent[]> {
  const all = (await readTrail(database.url)).map(({ event }) => event)
  const found = all.filter(({ auditId, operation }) => !known.has(auditId) && !operation.startsWith('audit_'))
  for (const { auditId } of all) known.add(auditId)
  return found
}
const known = new Set<bigint>()

const attributes = ({ attributesJson }: AuditEvent): { readonly seen?: string } =>
  JSON.parse(attributesJson ?? '{}') as { seen?: string }

const PATHS = ['/orders', '/payments', '/mail']

describe.each([
  ['as it is', () => Promise.resolve(APP), ['client', 'client', 'wire']],
  ['bundled', bundled, ['wire', 'wire', 'wire']],
] as const)('an application without a line of ours, %s', (_, file, seen) => {
  it('has a row and a span for each of its secrets, and the value is nowhere', async () => {
    await newRows()
    receiver.spans.length = 0
    const program = started(await file())
    for (const path of PATHS) expect(await program.get(path)).toBe('{"connected":true}')
    await waitUntil('the audit spans', () => receiver.auditSpans.length >= 3)
    await program.terminate()
    const rows = await newRows()
    expect(rows).toMatchObject([
      { credential: 'orders-db', operation: 'get_credential', outcome: 'ok', serviceName: 'orders' },
      { credential: 'secret/payments', operation: 'get_credential', outcome: 'ok' },
      { credential: 'secret/mail', operation: 'get_credential', outcome: 'ok' },
    ])
    expect(rows.map((row) => attributes(row).seen)).toEqual(seen)
    const traces = rows.map(({ traceId }) => traceId)
    expect(new Set(traces).size).toBe(3)
    // Below the span of the request that needed the secret.
    for (const traceId of traces) {
      expect(receiver.spans.some((span) => span.traceId === traceId && !span.parentSpanId)).toBe(true)
    }
    const { stdout, stderr } = program
    expect(stderr).not.toMatch(/not_hooked|TypeError/)
    const everything = inspect([rows, receiver.spans, stdout, stderr], { depth: 20, maxStringLength: null })
    expect(everything).not.toContain(CANARY)
  })

  it('gets none of them in strict mode while the store is away, and says why', async () => {
    const proxy = await CuttingProxy.start(Number(new URL(login.url).port))
    onTestFinished(() => proxy.close())
    const program = started(await file(), {
      DATABASE_URL: proxy.url(login.url),
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
      NOETL_SECRET_AUDIT_DEADLINE_MS: '500',
    })
    // On a busy machine the first connection may take longer than the deadline.
    expect(await waitUntil('a record', () => program.get('/orders').catch(() => false))).toBe(
      '{"connected":true}',
    )
    proxy.shut()
    for (const path of PATHS) {
      await expect(program.get(path)).rejects.toThrow(/503 \{"name":"\w+","code":"AUDIT_\w+"\}/)
    }
    proxy.open()
    for (const path of PATHS) {
      await waitUntil(`${path} to be released`, () => program.get(path).catch(() => false))
    }
    await program.terminate()
    expect(program.stdout + program.stderr).not.toContain(CANARY)
  })
})

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSupported } from '../../../examples/wallet/demo/node-version.js'
import { SERVER_KIND } from '../../../examples/wallet/demo/otlp-receiver.js'
import { ofExecution, readTrail } from '../../../examples/wallet/demo/trail.js'
import { emptyDatabase, type TestDatabase } from '../../support/database.js'
import { packageRoot } from '../../support/postgres/package-root.js'
import { type StageWithDatabase, stageOver } from './staged.js'
import { waitUntil } from './wait-until.js'
import { Wire } from './wire.js'

const built = (path: string) => join(packageRoot(), 'build', 'examples', 'wallet', path)

describe('SIGTERM', () => {
  let testDatabase: TestDatabase
  let stage: StageWithDatabase

  beforeAll(async () => {
    testDatabase = await emptyDatabase()
    stage = await stageOver(testDatabase.url)
  })

  afterAll(async () => {
    await stage?.close()
    await testDatabase?.drop()
  })

  it('answers what is under way, stores its event, exports its trace, and ends with 0', async () => {
    const executionId = 77n
    const path = `/api/credentials/silent-token?include_data=true&execution_id=${executionId}`
    const wire = new Wire(stage.euCentral.url, path, stage.fixture.callerToken)
    // The provider never answers: the request is under way until its time-out.
    await fetch(new URL('/healthz', stage.euCentral.url))
    const exited = stage.euCentral.exited
    process.kill(stage.euCentral.pid ?? 0, 'SIGTERM')
    await waitUntil('no new connection', () =>
      fetch(new URL('/healthz', stage.euCentral.url)).then(
        () => false,
        () => true,
      ),
    )
    expect((await wire.answer()).status).toBe(502)
    expect(await exited).toEqual([0, null])
    const rows = ofExecution(await readTrail(testDatabase.url, stage.instances), executionId)
    expect(rows).toMatchObject([{ operation: 'resolve_keychain', outcome: 'provider_fetch_error' }])
    const trace = stage.receiver.spans.filter(({ traceId }) => traceId === rows[0]?.trace_id)
    expect(trace.filter(({ kind, parentSpanId }) => kind === SERVER_KIND && !parentSpanId)).toHaveLength(1)
  })
})

describe('a wallet that cannot start says why in one line', () => {
  const config = {
    region: 'eu-central',
    internal_token: 'internal',
    keks: [{ version: 'kek-1', key: Buffer.alloc(32).toString('base64url') }],
    credentials: [{ id: 'db', home: 'eu-central', secret: 'canary-of-the-start' }],
  }

  async function start(input: string, env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, [built('main.js')], {
      cwd: packageRoot(),
      env: { ...process.env, WALLET_CONFIG_FILE: '-', ...env },
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const [code] = await once(child, 'close')
    return { code, said }
  }

  it('the port is in use', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    const { code, said } = await start(JSON.stringify(config), { WALLET_PORT: String(port) })
    holder.close()
    expect(code).toBe(1)
    expect(said).toBe(
      `wallet: the port is in use already; set another one (listen EADDRINUSE: address already in use 127.0.0.1:${port})\n`,
    )
  })

  it.each([
    ['no configuration', '', { WALLET_CONFIG_FILE: '' }, 'WALLET_CONFIG_FILE must name a JSON file'],
    ['a missing file', '', { WALLET_CONFIG_FILE: '/no/such/file' }, '/no/such/file'],
    ['no JSON', '{', {}, 'is not JSON'],
    ['a port that is none', JSON.stringify(config), { WALLET_PORT: 'http' }, 'WALLET_PORT'],
    ['no region', JSON.stringify({ ...config, region: undefined }), {}, 'region: a non-empty string'],
    [
      'no such switch',
      JSON.stringify(config),
      { NOETL_SECRET_AUDIT_REQUIRED: 'maybe' },
      'NOETL_SECRET_AUDIT_REQUIRED',
    ],
  ])('%s', async (_, input, env, reason) => {
    const { code, said } = await start(input, env)
    expect(code).toBe(1)
    expect(said).toContain(reason)
    expect(said.trim().split('\n')).toHaveLength(1)
    expect(said).not.toContain('canary')
  })
})

describe('a demo that cannot start', () => {
  it('says that it has not been built', async () => {
    const root = await mkdtemp(join(tmpdir(), 'otel-audit-unbuilt-'))
    try {
      const demo = join(root, 'build', 'examples', 'wallet', 'demo')
      await cp(built('demo'), demo, { recursive: true })
      await writeFile(join(root, 'package.json'), '{"type":"module"}')
      const run = promisify(execFile)(process.execPath, [join(demo, 'main.js'), '--once'])
      await expect(run).rejects.toMatchObject({
        code: 1,
        stderr: 'demo: dist/cli/main.js is missing; run npm run build first\n',
      })
    } finally {
      await rm(root, { recursive: true })
    }
  })

  it.each([
    ['18.20.0', false],
    ['20.18.3', false],
    ['20.19.0', true],
    ['21.7.3', false],
    ['22.11.0', false],
    ['22.12.0', true],
    ['24.1.0', true],
  ])('knows about Node %s: %s', (version, supported) => {
    expect(isSupported(version)).toBe(supported)
  })
})

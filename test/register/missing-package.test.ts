import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'

const run = promisify(execFile)

/** An application that has this package and the OpenTelemetry API, and no SDK. */
let application: string

beforeAll(async () => {
  application = await realpath(await mkdtemp(join(tmpdir(), 'otel-audit-without-sdk-')))
  const installed = join(application, 'node_modules')
  const own = join(installed, 'otel-audit')
  await mkdir(join(installed, '@opentelemetry'), { recursive: true })
  await cp(join(packageRoot(), 'dist'), join(own, 'dist'), { recursive: true })
  await cp(join(packageRoot(), 'package.json'), join(own, 'package.json'))
  const api = join('@opentelemetry', 'api')
  await symlink(join(packageRoot(), 'node_modules', api), join(installed, api))
})

afterAll(async () => {
  await rm(application, { recursive: true, force: true })
})

const started = (...args: readonly string[]) => {
  const env = { PATH: process.env['PATH'], DATABASE_URL: 'postgres://writer:hunter2@127.0.0.1:9/trail' }
  return run(process.execPath, [...args], { cwd: application, env })
}
const script = (code: string) => started('--input-type=module', '--eval', code)

const MISSING = 'AUDIT_MISSING_PACKAGE: @opentelemetry/sdk-node is not installed'

describe('without @opentelemetry/sdk-node', () => {
  it.each(['--import', '--require'])(
    '%s otel-audit/register says what to install, and does not run',
    async (how) => {
      const ended = started(how, 'otel-audit/register', '--eval', 'console.log("running")')
      await expect(ended).rejects.toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining(
          `${MISSING}. Install it beside this package: npm install @opentelemetry/sdk-node`,
        ),
      })
    },
  )

  it('withSdk says the same, unless it needs nothing of it', async () => {
    const { stdout } = await script(`
      import { createAudit, NoopAuditSink } from 'otel-audit'
      const audit = createAudit({ sink: new NoopAuditSink() })
      try { audit.withSdk({}) } catch (error) { console.log(error.message) }
      const sampler = { shouldSample: () => ({ decision: 0 }) }
      console.log(audit.withSdk({ spanProcessors: [], sampler }).spanProcessors.length)
    `)
    expect(stdout).toContain(MISSING)
    expect(stdout.trim().split('\n').at(-1)).toBe('1')
  })

  it('records are made and stored', async () => {
    const { stdout } = await script(`
      import { createAudit, Operation, Outcome, RecordingAuditSink } from 'otel-audit'
      const sink = new RecordingAuditSink()
      const audit = createAudit({ sink })
      const access = { credential: 'orders-db', operation: Operation.GetCredential, outcome: Outcome.Ok }
      await audit.service.recordStrict(access)
      console.log(sink.events.length)
    `)
    expect(stdout).toBe('1\n')
  })
})

it('with an SDK of another age: says which are supported', async () => {
  const old = join(application, 'node_modules', '@opentelemetry', 'sdk-node')
  await mkdir(old)
  await writeFile(join(old, 'package.json'), '{"name":"@opentelemetry/sdk-node","version":"0.57.0"}')
  await writeFile(join(old, 'index.js'), 'exports.NodeSDK = class {}')
  const { stdout } = await script(`
    import { createAudit, NoopAuditSink } from 'otel-audit'
    try { createAudit({ sink: new NoopAuditSink() }).withSdk({}) } catch (error) { console.log(error.message) }
  `)
  const manifest = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as {
    peerDependencies: Record<string, string>
  }
  expect(stdout).toContain('AUDIT_MISSING_PACKAGE: @opentelemetry/sdk-trace cannot be loaded')
  expect(stdout).toContain(`${manifest.peerDependencies['@opentelemetry/sdk-node']} is supported`)
})

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'

const run = promisify(execFile)

/** An application whose SDK has the API that is installed here, and whose copy of this package has a newer one. */
let application: string

beforeAll(async () => {
  application = await realpath(await mkdtemp(join(tmpdir(), 'otel-audit-two-apis-')))
  const installed = join(application, 'node_modules')
  const own = join(installed, 'otel-audit')
  const telemetry = join(packageRoot(), 'node_modules', '@opentelemetry')
  await cp(join(packageRoot(), 'dist'), join(own, 'dist'), { recursive: true })
  await cp(join(packageRoot(), 'package.json'), join(own, 'package.json'))
  await mkdir(join(installed, '@opentelemetry'))
  for (const name of ['api', 'sdk-node', 'auto-instrumentations-node']) {
    await symlink(join(telemetry, name), join(installed, '@opentelemetry', name))
  }
  const newer = join(own, 'node_modules', '@opentelemetry', 'api')
  await cp(join(telemetry, 'api'), newer, { recursive: true })
  for (const build of ['src', 'esm']) {
    const file = join(newer, 'build', build, 'version.js')
    const source = await readFile(file, 'utf8')
    await writeFile(file, source.replace(/'1\.\d+\.\d+'/, "'1.999.0'"))
  }
})

afterAll(async () => {
  await rm(application, { recursive: true, force: true })
})

const ended = async (code: string, ...preloads: readonly string[]) => {
  const env = {
    PATH: process.env['PATH'],
    DATABASE_URL: 'postgres://writer@127.0.0.1:9/trail',
    OTEL_TRACES_EXPORTER: 'console',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
    NOETL_SECRET_AUDIT_CLOSE_TIMEOUT_MS: '100',
  }
  const args = [...preloads, '--input-type=module', '--eval', code]
  return await run(process.execPath, args, { cwd: application, env })
}

const HIDDEN = /self-test: tracer: .*@opentelemetry\/api 1\.\d+\.\d+.*npm ls @opentelemetry\/api/

describe('an API that does not see what the SDK has registered', () => {
  it('with an SDK of the application: rows are stored, and the reason is on stderr', async () => {
    const { stdout, stderr } = await ended(`
      import { NodeSDK } from '@opentelemetry/sdk-node'
      import { createAudit, RecordingAuditSink } from 'otel-audit'
      new NodeSDK().start()
      const sink = new RecordingAuditSink()
      const audit = createAudit({ sink })
      await audit.start()
      await audit.service.recordStrict({ credential: 'orders-db', operation: 'get_credential', outcome: 'ok' })
      console.log('rows', sink.events.filter(({ credential }) => credential === 'orders-db').length)
      process.exit()
    `)
    expect(stdout).toContain('rows 1')
    expect(stderr).toMatch(HIDDEN)
  })

  it('under the preload: the spans of the application are still exported', async () => {
    const { stdout, stderr } = await ended(
      `import { trace } from '@opentelemetry/api'
       trace.getTracer('own').startSpan('of the application').end()`,
      '--import',
      'otel-audit/register',
    )
    expect(stderr).toMatch(HIDDEN)
    expect(stdout).toContain('of the application')
  })
})

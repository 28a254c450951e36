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

describe('without @opentelemetry/api, or with a Node that is too old', () => {
  let bare: string
  const old = (version: string): string =>
    `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`

  beforeAll(async () => {
    bare = await realpath(await mkdtemp(join(tmpdir(), 'otel-audit-without-api-')))
    await mkdir(join(bare, 'node_modules'))
    await cp(join(application, 'node_modules', 'otel-audit'), join(bare, 'node_modules', 'otel-audit'), {
      recursive: true,
    })
    const commander = join('node_modules', 'commander')
    await symlink(join(packageRoot(), commander), join(bare, commander))
  })

  afterAll(() => rm(bare, { recursive: true, force: true }))

  const MAIN = 'node_modules/otel-audit/dist/cli/main.js'
  const PRELOADS = ['--import', '--require'].map((how) => [
    how,
    'otel-audit/register',
    '--eval',
    'console.log(1)',
  ])

  it.each([...PRELOADS, [MAIN, 'doctor'], [MAIN, 'verify']])('%s %s says so in one line', async (...args) => {
    const env = { PATH: process.env['PATH'] }
    const ended = run(process.execPath, args, { cwd: bare, env })
    await expect(ended).rejects.toMatchObject({
      code: args[0] === MAIN ? 2 : 1,
      stdout: '',
      stderr:
        'AUDIT_MISSING_PACKAGE: @opentelemetry/api is not installed. Install it beside this package: npm install @opentelemetry/api\n',
    })
  })

  it('help needs neither', async () => {
    const { stdout } = await run(process.execPath, [MAIN, '--help'], { cwd: bare })
    expect(stdout).toContain('Usage: otel-audit')
  })

  it.each(['18.20.4', '20.18.3', '21.7.0', '22.11.0'])('Node %s is named', async (version) => {
    for (const args of [
      ['--import', 'otel-audit/register', '--eval', '1'],
      ['dist/cli/main.js', 'doctor'],
    ]) {
      const ended = run(process.execPath, ['--import', old(version), ...args], { cwd: packageRoot() })
      await expect(ended).rejects.toMatchObject({
        stderr: `AUDIT_MISSING_PACKAGE: Node ${version} is not supported: it takes 20.19 or 22.12, or what is newer\n`,
      })
    }
  })

  it('so is one that lacks what the library alone needs', async () => {
    const lacking = "data:text/javascript,import crypto from 'node:crypto'; crypto.hash = undefined"
    const library = ['--input-type=module', '--eval', 'import "otel-audit"']
    const args = ['--import', old('18.20.4'), '--import', lacking, ...library]
    await expect(run(process.execPath, args, { cwd: packageRoot() })).rejects.toMatchObject({
      stderr: expect.stringContaining(
        'Error: AUDIT_MISSING_PACKAGE: Node 18.20.4 is not supported: it takes 20.19 or 22.12, or what is newer\n',
      ),
    })
  })

  it.each(['20.19.0', '22.12.0', '23.0.0', '26.1.0'])('Node %s is not', async (version) => {
    const args = ['--import', old(version), 'dist/cli/main.js', 'doctor', '--format', 'xml']
    const ended = run(process.execPath, args, { cwd: packageRoot() })
    await expect(ended).rejects.toMatchObject({ stderr: expect.stringContaining('--format must be') })
  })

  it('a Node that cannot require ES modules is told to --import', async () => {
    const ended = started(
      '--no-experimental-require-module',
      '--require',
      'otel-audit/register',
      '--eval',
      '1',
    )
    await expect(ended).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^AUDIT_MISSING_PACKAGE: Node .* or --import in place of --require\n$/),
    })
  })

  it('what is asked for is what package.json says', async () => {
    const { engines } = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8'))
    expect(engines).toEqual({ node: '^20.19.0 || >=22.12.0' })
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

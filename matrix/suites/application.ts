import assert from 'node:assert/strict'
import type { Program } from '../../test/support/program.js'
import { exportingTo } from '../../test/support/program.js'
import type { Suite, World } from '../suite.js'
import { underServerSpan } from './server-span.js'

type Format = 'mjs' | 'cjs'

const ACCESSES = ['async', 'strict', 'guarded', 'denied']
const APPS = ['service.mjs', 'service.cjs', 'accesses.cjs', 'script.mjs']

/** A service of an OpenTelemetry user: zero-code by both preloads, and with its own `NodeSDK`. */
export function applicationSuite(format: Format): Suite {
  return {
    name: format === 'mjs' ? 'ESM service' : 'CommonJS service',
    async run(world) {
      const { consumer, check } = world
      await consumer.take('test/register/apps', ...APPS)
      await consumer.take('matrix/apps', `own-sdk.${format}`)
      await check('--import otel-audit/register', () => zeroCode(world, format, 'import'))
      await check('--require otel-audit/register', () => zeroCode(world, format, 'require'))
      await check('sampling off', () => samplingOff(world, format))
      await check('strict, and no database', () => refused(world, format))
      await check('SIGTERM stores what waits', () => flushed(world, format))
      await check('own NodeSDK', () => ownSdk(world, format))
    },
  }
}

function service(
  { consumer, database, receiver }: World,
  format: Format,
  preload: string,
  env = {},
): Program {
  const args = [`--${preload}`, 'otel-audit/register', `service.${format}`]
  const own = { DATABASE_URL: database.url, OTEL_SERVICE_NAME: 'matrix' }
  return consumer.start(args, { ...own, ...telemetryTo(receiver.url), ...env })
}

/** Traces and metrics. */
function telemetryTo(url: string): Record<string, string> {
  return {
    ...exportingTo(url),
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
  }
}

async function zeroCode(world: World, format: Format, preload: string): Promise<void> {
  const credential = `${preload}-${format}`
  const program = service(world, format, preload)
  await program.get(`/access?credential=${credential}`)
  assert.deepEqual(await program.terminate(), { code: null, signal: 'SIGTERM' })
  assert.equal(program.stderr, '')
  const rows = await rowsOf(world, credential)
  assert.deepEqual(new Set(rows.map(({ notes }) => notes)), new Set(ACCESSES))
  assert.equal(rows.length, ACCESSES.length)
  for (const { span_id } of rows)
    assert.ok(underServerSpan(world.receiver, span_id), `span ${span_id} of a row`)
  assert.equal(written(world), rows.length)
}

/** The counter of the last process for the accesses. */
function written({ receiver: { points } }: World): number {
  const own = points.filter(
    ({ metric, attributes }) =>
      metric === 'noetl.secret_audit.writes' &&
      attributes['status'] === 'written' &&
      attributes['operation'] === 'get_credential',
  )
  return own.reduce((sum, { value }) => sum + value, 0)
}

async function samplingOff(world: World, format: Format): Promise<void> {
  const before = world.receiver.spans.length
  const env = { OTEL_TRACES_SAMPLER: 'always_off' }
  const program = service(world, format, 'import', env)
  await program.get('/access?credential=unsampled')
  await program.get('/suppressed?credential=suppressed')
  await program.terminate()
  assert.equal(program.stderr, '')
  assert.equal((await rowsOf(world, 'unsampled')).length, ACCESSES.length)
  assert.equal((await rowsOf(world, 'suppressed')).length, ACCESSES.length)
  assert.equal(world.receiver.spans.length, before, 'spans that were exported')
}

async function refused(world: World, format: Format): Promise<void> {
  const env = { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none', NOETL_SECRET_AUDIT_REQUIRED: 'true' }
  const program = service(world, format, 'import', env)
  assert.deepEqual(await program.exit, { code: 1, signal: null })
  assert.match(program.stderr, /AUDIT_SELF_TEST/)
}

/** Events wait for company for longer than the signal takes: what is stored was flushed. */
async function flushed(world: World, format: Format): Promise<void> {
  const program = service(world, format, 'import', { NOETL_SECRET_AUDIT_LINGER_MS: '3000' })
  await program.get('/record?credential=waiting')
  await program.terminate()
  assert.equal((await rowsOf(world, 'waiting')).length, 1)
  assert.equal((await world.database.lifecycle()).at(-1), 'stopped')
}

async function ownSdk({ consumer, database, receiver }: World, format: Format): Promise<void> {
  const env = { DATABASE_URL: database.url, ...telemetryTo(receiver.url) }
  const { code, stdout, stderr } = await consumer.run([`own-sdk.${format}`], env)
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'pending 0\n', stderr: '' })
  const rows = (await database.rows()).filter(({ credential }) => credential.startsWith('own-sdk'))
  assert.deepEqual(
    rows.map(({ credential }) => credential),
    ['own-sdk-strict', 'own-sdk-async'],
  )
  for (const { span_id } of rows) {
    assert.ok(
      receiver.auditSpans.some(({ spanId }) => spanId === span_id),
      `span ${span_id} of a row`,
    )
  }
}

async function rowsOf({ database }: World, wanted: string) {
  return (await database.rows()).filter(({ credential }) => credential === wanted)
}

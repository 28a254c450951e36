import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { freePorts } from '../../examples/wallet/demo/ports.js'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { OtlpReceiver } from '../support/otlp-receiver.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { writerLogin } from '../support/pipeline.js'
import { readTrail } from '../support/trail.js'
import { Application, exportingTo } from './application.js'

let server: PostgresServer
let receiver: OtlpReceiver
/** Of the application: as the owner of the trail it would be warned. */
let login: Awaited<ReturnType<typeof writerLogin>>
/** Of the application under test. */
let name: string
let tests = 0

beforeAll(async () => {
  server = await startPostgres()
  await migrate({ databaseUrl: server.url(), roles: true })
  login = await writerLogin(server.url())
})

afterAll(async () => {
  await server.close()
})

beforeEach(async () => {
  receiver = await OtlpReceiver.start()
  name = `test-${++tests}`
})

afterEach(async () => {
  await receiver.close()
})

/** Async events wait for company longer than anybody wants to: what is stored before, was flushed. */
const NO_HURRY = { NOETL_SECRET_AUDIT_LINGER_MS: '3000' }

/** Spans wait longer than any test lasts: what is exported, was flushed. */
const AT_THE_END = { OTEL_BSP_SCHEDULE_DELAY: '600000' }

async function stored(): Promise<string[]> {
  const rows = await readTrail(server.url())
  const own = rows.map(({ event }) => event).filter(({ serviceName }) => serviceName === name)
  return own.filter(({ operation }) => operation === 'get_credential').map(({ credential }) => credential)
}

function application(app: string, env: Readonly<Record<string, string>>): Application {
  return new Application({ app, env: { DATABASE_URL: login.url, OTEL_SERVICE_NAME: name, ...env } })
}

const script = (program: string, env: Readonly<Record<string, string>> = {}): Application =>
  application('script.mjs', { PROGRAM: program, ...env })

const service = (env: Readonly<Record<string, string>> = {}): Application =>
  application('service.mjs', { ...NO_HURRY, ...env })

describe('a signal', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const)(
    '%s: stores what waits, and does what it does',
    async (signal) => {
      const app = service(exportingTo(receiver.url))
      await app.get('/record?credential=waiting')
      expect(await stored()).toEqual([])
      app.signal(signal)
      expect(await app.exit).toEqual({ code: null, signal })
      expect(await stored()).toEqual(['waiting'])
      expect(receiver.auditSpans).toHaveLength(1)
    },
  )

  it('beside a library that leaves the end to others', async () => {
    const env = { DATABASE_URL: server.url(), OTEL_SERVICE_NAME: name, ...NO_HURRY }
    const app = new Application({ app: 'service.mjs', before: ['signal-exit.mjs'], env })
    await app.get('/record?credential=waiting')
    expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(await stored()).toEqual(['waiting'])
  })

  it('to an application that listens too: what it still answers is stored', async () => {
    const app = service({ OWN_LISTENER: 'yes', ...exportingTo(receiver.url), ...AT_THE_END })
    await app.get('/record?credential=before')
    const held = app.get('/held?credential=after')
    await app.says('holding')
    app.signal('SIGTERM')
    expect(await held).toBe('/held')
    expect(await app.exit).toEqual({ code: 0, signal: null })
    expect(await stored()).toEqual(['before', 'after'])
    expect(receiver.auditSpans).toHaveLength(2)
  })

  it('ends a process whose database and collector never answer', async () => {
    const app = service({
      ...exportingTo(receiver.url),
      OTEL_EXPORTER_OTLP_TIMEOUT: '300',
      NOETL_SECRET_AUDIT_LINGER_MS: '0',
      NOETL_SECRET_AUDIT_CLOSE_TIMEOUT_MS: '300',
    })
    await app.get('/access?credential=stored')
    receiver.hangs = true
    await server.pause()
    try {
      await app.get('/record?credential=lost')
      expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
      expect(app.stderr).toContain('credential "lost"')
    } finally {
      server.resume()
    }
  })

  it('ends a process while its connection to the database is not even answered', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const { port } = silent.address() as AddressInfo
    const app = new Application({
      app: 'service.mjs',
      preload: 'require',
      env: {
        DATABASE_URL: `postgres://writer@127.0.0.1:${port}/trail`,
        NOETL_SECRET_AUDIT_ANSWER_TIMEOUT_MS: '600000',
        NOETL_SECRET_AUDIT_CLOSE_TIMEOUT_MS: '100',
      },
    })
    await app.get('/record?credential=lost')
    expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(app.stderr).toContain('credential "lost"')
  })
})

describe('a worker of a cluster', () => {
  it.each(['worker disconnects', 'primary disconnects', 'primary dies', 'primary kills it'])(
    'stores what waits: %s',
    async (how) => {
      const app = application('cluster.mjs', { ...NO_HURRY, END: how })
      await app.says('recorded')
      await app.exit
      await expect.poll(async () => (await stored()).length, { timeout: 60_000 }).toBe(200)
      expect(app.stderr).not.toContain('not stored')
    },
  )
})

describe('the natural end', () => {
  it('stores what waits', async () => {
    const app = script('records', { ...exportingTo(receiver.url), ...AT_THE_END })
    expect(await app.exit).toEqual({ code: 0, signal: null })
    expect(await stored()).toEqual(['one', 'two', 'three'])
    expect(receiver.auditSpans).toHaveLength(3)
  })

  it('comes by itself to a process that is done, with every exporter there is', async () => {
    const [port] = await freePorts(1)
    const app = script('idle', {
      ...exportingTo(receiver.url),
      OTEL_METRICS_EXPORTER: 'otlp,prometheus',
      OTEL_LOGS_EXPORTER: 'otlp',
      OTEL_EXPORTER_PROMETHEUS_PORT: `${port}`,
    })
    expect(await app.exit).toEqual({ code: 0, signal: null })
    expect(app.stderr).toBe('')
  })

  it('comes with the database away, after the deadline, and says what is lost', async () => {
    await server.stop()
    try {
      const app = script('records', { NOETL_SECRET_AUDIT_CLOSE_TIMEOUT_MS: '300' })
      expect(await app.exit).toEqual({ code: 0, signal: null })
      for (const credential of ['one', 'two', 'three']) {
        expect(app.stderr).toContain(`credential "${credential}"`)
      }
    } finally {
      await server.start()
    }
  })

  it('of a worker thread stores what the worker recorded', async () => {
    const app = script('worker')
    expect(await app.exit).toEqual({ code: 0, signal: null })
    expect(await stored()).toEqual(['one', 'two', 'three'])
  })
})

describe('an end that leaves no time', () => {
  it.each([
    ['process.exit', 'exits', 0],
    ['an uncaught exception', 'throws', 1],
  ])('by %s is logged on stderr', async (_, program, code) => {
    const app = script(program, NO_HURRY)
    expect(await app.exit).toEqual({ code, signal: null })
    // And the row that says that the pipeline was started.
    expect(app.stderr).toContain('the process ends, and 4 audit events are not stored')
  })
})

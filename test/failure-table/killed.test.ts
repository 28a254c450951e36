import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { otelAudit } from '../cli/otel-audit.js'
import { temporaryDirectory } from '../spool/directories.js'
import { Application } from '../register/application.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'

// A whole service that ends while its database is away, and the next one after it.

let server: PostgresServer
let directory: string
let name: string
let tests = 0

beforeAll(async () => {
  server = await startPostgres()
  await migrate({ databaseUrl: server.url(), roles: true })
})

afterAll(() => server.close())

beforeEach(() => {
  name = `killed-${++tests}`
  directory = temporaryDirectory()
})

const service = (env: Readonly<Record<string, string>> = {}): Application =>
  new Application({
    app: 'service.mjs',
    env: { DATABASE_URL: server.url(), OTEL_SERVICE_NAME: name, ...env },
  })

const withSpool = (mode: string): Record<string, string> => ({
  NOETL_SECRET_AUDIT_SPOOL_DIR: directory,
  NOETL_SECRET_AUDIT_SPOOL_MODE: mode,
  NOETL_SECRET_AUDIT_CLOSE_TIMEOUT_MS: '300',
})

async function stored(): Promise<string[]> {
  const rows = (await readTrail(server.url())).map(({ event }) => event)
  return rows
    .filter(({ serviceName, operation }) => serviceName === name && operation === 'get_credential')
    .map(({ credential }) => credential)
}

/** Entries in the spool, as somebody else sees them. */
async function spooled(): Promise<number> {
  const { stdout } = await otelAudit(['spool', 'status', '--directory', directory, '--format', 'json'])
  return Number(/"entries": (\d+)/.exec(stdout)?.[1])
}

const CREDENTIALS = ['one', 'two', 'three', 'four', 'five']

async function recordAll(app: Application): Promise<void> {
  for (const credential of CREDENTIALS) await app.get(`/record?credential=${credential}`)
}

describe('a service whose database is stopped', () => {
  test.each(['always', 'overflow'])(
    'is killed: what its spool has (%s) is stored by the next one, once',
    async (mode) => {
      const app = service(withSpool(mode))
      await app.get('/record?credential=before')
      await waitUntil('the first row', async () => (await stored()).length === 1)
      await server.stop()
      await recordAll(app)
      // By overflow the newest stays in memory.
      const safe = mode === 'always' ? CREDENTIALS : CREDENTIALS.slice(0, -1)
      await waitUntil('the spool', async () => (await spooled()) >= safe.length)
      await app.kill()
      await server.start()
      const next = service(withSpool(mode))
      await waitUntil('their rows', async () => (await stored()).length === 1 + safe.length)
      await next.get('/record?credential=after')
      expect(await next.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
      expect(await stored()).toEqual(['before', ...safe, 'after'])
      expect(readdirSync(directory)).toEqual([])
    },
  )

  test('is killed without a spool: what it had in memory is lost, and nothing is there that was not recorded', async () => {
    const app = service()
    await app.get('/record?credential=before')
    await waitUntil('the first row', async () => (await stored()).length === 1)
    await server.stop()
    await recordAll(app)
    await app.kill()
    await server.start()
    expect(await stored()).toEqual(['before'])
  })

  test('is told to end (SIGTERM): its spool keeps what could not be stored, and the next one stores it', async () => {
    const app = service(withSpool('overflow'))
    await app.get('/record?credential=before')
    await waitUntil('the first row', async () => (await stored()).length === 1)
    await server.stop()
    await recordAll(app)
    expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(app.stderr).not.toContain('audit event dropped')
    await server.start()
    const next = service(withSpool('overflow'))
    await waitUntil('their rows', async () => (await stored()).length === 1 + CREDENTIALS.length)
    await next.terminate()
    expect(await stored()).toEqual(['before', ...CREDENTIALS])
  })
})

test('a strict caller whose process is killed has not got the secret: without a commit there is no answer', async () => {
  const app = service({ NOETL_SECRET_AUDIT_DEADLINE_MS: '60000' })
  await app.get('/access?credential=before')
  await server.pause()
  try {
    let answered = false
    const asked = app.get('/access?credential=killed').then(
      () => (answered = true),
      () => {},
    )
    await app.get('/record?credential=beside')
    expect(answered).toBe(false)
    await app.kill()
    await asked
    expect(answered).toBe(false)
  } finally {
    server.resume()
  }
})

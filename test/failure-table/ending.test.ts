import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { temporaryDirectory } from '../spool/directories.js'
import { Application } from '../register/application.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'

let server: PostgresServer
let name: string
let tests = 0

beforeAll(async () => {
  server = await startPostgres()
  await migrate({ databaseUrl: server.url(), roles: true })
})

afterAll(() => server.close())

beforeEach(() => {
  name = `ending-${++tests}`
})

/** Async events wait for company longer than any of these lasts. */
const NO_HURRY = { NOETL_SECRET_AUDIT_LINGER_MS: '3000' }

const environment = (): Record<string, string> => ({
  DATABASE_URL: server.url(),
  OTEL_SERVICE_NAME: name,
  ...NO_HURRY,
})

const ownSdk = (order: string, env: Readonly<Record<string, string>> = {}): Application =>
  new Application({ app: 'own-sdk.mjs', preload: 'none', env: { ...environment(), ORDER: order, ...env } })

async function stored(): Promise<string[]> {
  const rows = (await readTrail(server.url())).map(({ event }) => event)
  return rows
    .filter(({ serviceName, operation }) => serviceName === name && operation === 'get_credential')
    .map(({ credential }) => credential)
}

describe('a service that ends its own NodeSDK', () => {
  test.each(['audit,sdk', 'sdk,audit', 'both', 'sdk,audit,sdk,audit', 'audit,audit,sdk,sdk'])(
    'in the order %s: everything is stored, and it ends by itself',
    async (order) => {
      const app = ownSdk(order)
      expect(await app.exit).toEqual({ code: 0, signal: null })
      expect(app.stdout).toContain('refused AUDIT_CLOSED')
      expect(app.stdout).toContain('pending 0')
      expect(await stored()).toEqual(['acknowledged', 'waiting'])
    },
  )

  test('before the pipeline: what is recorded between is stored without the trace', async () => {
    const app = ownSdk('sdk,record,audit')
    expect(await app.exit).toEqual({ code: 0, signal: null })
    expect(await stored()).toEqual(['acknowledged', 'waiting', 'between'])
  })
})

describe('an uncaught exception', () => {
  test('loses nothing that was acknowledged', async () => {
    const app = ownSdk('throw')
    expect(await app.exit).toEqual({ code: 1, signal: null })
    expect(await stored()).toContain('acknowledged')
  })

  test('with a spool by always: not even what was only accepted, a moment later', async () => {
    const env = {
      NOETL_SECRET_AUDIT_SPOOL_DIR: temporaryDirectory(),
      NOETL_SECRET_AUDIT_SPOOL_MODE: 'always',
    }
    const app = new Application({ app: 'service.mjs', env: { ...environment(), ...env } })
    await app.get('/record?credential=accepted')
    await app.get('/throw?after=1000')
    expect(await app.exit).toEqual({ code: 1, signal: null })
    const next = new Application({ app: 'service.mjs', env: { ...environment(), ...env } })
    await waitUntil('the row', async () => (await stored()).length === 1)
    await next.terminate()
    expect(await stored()).toEqual(['accepted'])
  })
})

test('a signal that comes again while the pipeline closes changes nothing', async () => {
  const app = new Application({ app: 'service.mjs', env: environment() })
  for (const credential of ['one', 'two']) await app.get(`/record?credential=${credential}`)
  for (let time = 0; time < 5; time++) app.signal(time % 2 === 0 ? 'SIGTERM' : 'SIGINT')
  const { code, signal } = await app.exit
  expect(code).toBeNull()
  expect(signal).toMatch(/^SIG(TERM|INT)$/)
  expect(await stored()).toEqual(['one', 'two'])
})

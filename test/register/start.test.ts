import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'
import { Application } from './application.js'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
  await migrate({ databaseUrl: server.url(), roles: true })
})

afterAll(async () => {
  await server.close()
})

/** Nobody listens there. */
const AWAY = 'postgres://writer:hunter2-canary@127.0.0.1:9/trail'

describe('strict mode, and records would not be durable: the process ends with a message', () => {
  it.each(['import', 'require'] as const)('--%s, database away', async (preload) => {
    const env = { PROGRAM: 'idle', DATABASE_URL: AWAY, NOETL_SECRET_AUDIT_REQUIRED: 'true' }
    const application = new Application({ app: 'script.mjs', preload, env })
    expect(await application.exit).toEqual({ code: 1, signal: null })
    expect(application.stderr).toContain('AUDIT_SELF_TEST: store: ')
    expect(application.stderr).toContain('ECONNREFUSED')
    expect(application.stderr).not.toContain('hunter2')
    // A loader that can wait does not even begin with the application.
    if (preload === 'import') expect(application.stdout).toBe('')
  })

  it('a database that accepts connections, and never answers', async () => {
    await server.pause()
    try {
      const env = {
        PROGRAM: 'idle',
        DATABASE_URL: server.url(),
        NOETL_SECRET_AUDIT_REQUIRED: 'true',
        NOETL_SECRET_AUDIT_ANSWER_TIMEOUT_MS: '300',
      }
      const application = new Application({ app: 'script.mjs', env })
      expect(await application.exit).toEqual({ code: 1, signal: null })
      expect(application.stderr).toMatch(/AUDIT_SELF_TEST: store: .*no answer within 300 ms/)
    } finally {
      server.resume()
    }
  })
})

it('async mode, database away: starts, says so on stderr, and stores later', async () => {
  await server.stop()
  const application = new Application({ app: 'service.mjs', env: { DATABASE_URL: server.url() } })
  try {
    await application.get('/record?credential=later')
    expect(application.stderr).toMatch(/self-test: store: .*ECONNREFUSED/)
  } finally {
    await server.start()
  }
  await waitUntil('the row', async () => {
    const rows = await readTrail(server.url())
    return rows.some(({ event }) => event.credential === 'later')
  })
})

it('loaded by --require and by --import: one pipeline, and one line on stderr', async () => {
  const instance = 'loaded-twice'
  const env = {
    PROGRAM: 'records',
    DATABASE_URL: server.url(),
    OTEL_RESOURCE_ATTRIBUTES: `service.instance.id=${instance}`,
  }
  const application = new Application({ app: 'script.mjs', preload: 'both', env })
  expect(await application.exit).toEqual({ code: 0, signal: null })
  expect(application.stderr).toContain('loaded twice (--require, then --import); the second is ignored')
  expect(application.stderr.match(/loaded twice/g)).toHaveLength(1)
  expect(application.stderr).not.toContain('duplicate registration')
  const rows = (await readTrail(server.url())).filter(({ event }) => event.serviceInstanceId === instance)
  const lifecycle = rows.filter(({ event }) => event.operation === 'audit_lifecycle')
  expect(lifecycle.map(({ event }) => event.outcome)).toEqual(['started', 'stopped'])
})

describe('what cannot be understood is a start-up error', () => {
  it.each([
    [{ NOETL_SECRET_AUDIT_REQIRED: '1' }, 'Did you mean NOETL_SECRET_AUDIT_REQUIRED?'],
    [{ NOETL_SECRET_AUDIT_REQUIRED: 'maybe' }, 'NOETL_SECRET_AUDIT_REQUIRED must be'],
    [{ NOETL_SERVER_MACHINE_ID: '1024' }, 'NOETL_SERVER_MACHINE_ID must be'],
    [{ DATABASE_URL: '' }, 'set DATABASE_URL'],
    [{ OTEL_CONFIG_FILE: 'otel.yaml' }, 'AUDIT_SDK_CONFIG: OTEL_CONFIG_FILE is set'],
  ])('%o', async (wrong, message) => {
    const env = { PROGRAM: 'idle', DATABASE_URL: AWAY, ...wrong }
    const application = new Application({ app: 'script.mjs', env })
    expect(await application.exit).toEqual({ code: 1, signal: null })
    expect(application.stderr).toContain(message)
    expect(application.stderr).not.toContain('hunter2')
    expect(application.stdout).toBe('')
  })
})

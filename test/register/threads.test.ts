import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { otelAudit } from '../cli/otel-audit.js'
import { fakeVault } from '../instrument/fakes/fake-vault.js'
import type { FakeServer } from '../instrument/fakes/fake-server.js'
import { temporaryDirectory } from '../spool/directories.js'
import { readTrail } from '../support/trail.js'
import { TrailServer } from '../support/trail-server.js'
import { waitUntil } from '../support/wait-until.js'
import { Application } from './application.js'

const CANARY = 'canary-of-a-thread-7d21'
const TOKEN = 'hvs.canary-token-7d21'

/** Async events wait for company longer than any test lasts: what is stored before, was asked for. */
const NO_HURRY = { NOETL_SECRET_AUDIT_LINGER_MS: '60000' }

let postgres: TrailServer
let provider: FakeServer
let url: string

beforeAll(async () => {
  postgres = await TrailServer.start()
  provider = await fakeVault(CANARY)
})

afterAll(async () => {
  await provider.close()
  await postgres.close()
})

beforeEach(async () => {
  url = await postgres.trail()
})

const application = (env: Readonly<Record<string, string>> = {}): Application =>
  new Application({
    app: 'threads.mjs',
    env: {
      DATABASE_URL: url,
      OTEL_SERVICE_NAME: 'orders',
      READ_FROM: provider.url,
      READ_WITH: TOKEN,
      ...env,
    },
  })

async function accesses(): Promise<string[]> {
  const trail = await readTrail(url)
  const read = trail.filter(({ event }) => event.operation === 'get_credential')
  return read.map(({ event }) => `${event.credential} ${event.outcome}`)
}

async function coverage(): Promise<string[]> {
  const { stdout } = await otelAudit(['coverage', '--format', 'ndjson'], { DATABASE_URL: url })
  const lines = stdout.split('\n').filter(Boolean)
  const clients = lines.map((line) => JSON.parse(line) as Record<string, string>)
  return clients.map(({ client, state }) => `${client} ${state}`)
}

const READ = '/read/orders-db'

describe('a secret that a thread reads', () => {
  it('has a row before the thread gets it, and none gets it while Postgres is stopped', async () => {
    const app = application({
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
      NOETL_SECRET_AUDIT_OUTAGE_DEADLINE_MS: '500',
    })
    expect(await app.get(READ)).toBe(CANARY)
    expect(await accesses()).toEqual(['secret/orders-db ok'])
    await waitUntil('the state', async () => (await coverage()).includes('wire:vault wire'))
    await postgres.server.stop('fast')
    try {
      expect(await app.get(READ)).toMatch(/^AuditError AUDIT_(UNAVAILABLE|TIMEOUT)$/)
    } finally {
      await postgres.server.start()
    }
    await waitUntil('a secret again', async () => (await app.get(READ)) === CANARY)
    await app.terminate()
    const said = JSON.stringify(await readTrail(url), (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    )
    for (const canary of [CANARY, TOKEN]) expect(said + app.stderr).not.toContain(canary)
  })

  it.each([
    ['a thread', {}],
    ['a thread of a thread', { WHEN: 'nested' }],
  ])('in %s is stored when the process is ended', async (_, env) => {
    const app = application({ ...NO_HURRY, ...env })
    expect(await app.get(READ)).toBe(CANARY)
    expect(await accesses()).toEqual([])
    expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(await accesses()).toEqual(['secret/orders-db ok'])
    expect(app.stderr).not.toMatch(/not stored|not answered/)
  })

  it('is stored when the process hears that it is to end, and goes on', async () => {
    const app = application({ ...NO_HURRY, WHEN: 'it listens to SIGTERM' })
    expect(await app.get(READ)).toBe(CANARY)
    app.signal('SIGTERM')
    await app.says('SIGTERM')
    await waitUntil('its row', async () => (await accesses()).length === 1)
    expect(await app.get(READ)).toBe(CANARY)
  })

  it('is stored when all but the thread is done', async () => {
    const app = application({ NOETL_SECRET_AUDIT_LINGER_MS: '3000', WHEN: 'main is done first' })
    expect(await app.says('read')).toBe(CANARY)
    expect(await app.exit).toEqual({ code: 0, signal: null })
    expect(await accesses()).toEqual(['secret/orders-db ok'])
  })
})

it('a thread that does not answer is not waited for without end, and that is said', async () => {
  const app = application({ ...NO_HURRY, NOETL_SECRET_AUDIT_CLOSE_TIMEOUT_MS: '100' })
  expect(await app.get('/read/forever')).toBe('busy')
  expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
  expect(app.stderr).toContain('threads of this process that have not answered within 2100 ms: 1.')
})

it('a thread whose own environment has no database does not start; the process goes on', async () => {
  const app = application()
  expect(await app.get('/bare')).toBe('ended with 1')
  const why = 'AUDIT_INVALID_OPTION: no database: set DATABASE_URL'
  await waitUntil('the reason', () => app.stderr.includes(why))
  expect(await app.get(READ)).toBe(CANARY)
})

it('what a thread had on disk when it was ended is stored by the next process, once', async () => {
  const directory = temporaryDirectory()
  const env = { NOETL_SECRET_AUDIT_SPOOL_DIR: directory, NOETL_SECRET_AUDIT_SPOOL_MODE: 'always' }
  const app = application({ ...NO_HURRY, ...env })
  expect(await app.get(READ)).toBe(CANARY)
  // Of the thread: that it was started, its coverage, and the access. Of the process: that it was started.
  await waitUntil('all of it', async () => {
    const { stdout } = await otelAudit(['spool', 'status', '--directory', directory, '--format', 'json'])
    const counts = [...stdout.matchAll(/"entries": (\d+)/g)].map(([, entries]) => Number(entries))
    return counts.reduce((sum, entries) => sum + entries, 0) === 4
  })
  expect(await app.get('/end')).toBe('ended with 1')
  await app.terminate()
  expect(await accesses()).toEqual([])
  const { code } = await otelAudit(['spool', 'drain', '--directory', directory], { DATABASE_URL: url })
  expect(code).toBe(0)
  expect(await accesses()).toEqual(['secret/orders-db ok'])
  const lives = (await readTrail(url)).filter(({ event }) => event.operation === 'audit_lifecycle')
  expect(lives.map(({ event }) => event.outcome).sort()).toEqual(['started', 'started', 'stopped'])
})

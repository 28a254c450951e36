import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { readTrail } from '../support/trail.js'
import { Application } from './application.js'

const SECRET = 'hunter2-canary'

let store: PostgresServer
let vault: string
/** Told before each answer. */
let onRequest = async (): Promise<void> => {}
const server = createServer((_, response) => {
  void onRequest().then(() => response.end(JSON.stringify({ data: { value: SECRET } })))
})

beforeAll(async () => {
  store = await startPostgres()
  await migrate({ databaseUrl: store.url(), roles: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  vault = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.close()
  server.closeAllConnections()
  await store.close()
})

const accesses = async () =>
  (await readTrail(store.url()))
    .map(({ event }) => event)
    .filter(({ operation }) => operation === 'get_credential')

describe('an application with no line of audit in it', () => {
  const app = 'secrets.mjs'

  it.each(['import', 'require'] as const)(
    '--%s: each access has its row, and its secret is in none',
    async (preload) => {
      const before = (await accesses()).length
      const env = { DATABASE_URL: store.url(), NOETL_SECRET_AUDIT_REQUIRED: 'true', VAULT_ADDR: vault }
      const application = new Application({ app, preload, env })
      expect(await application.exit).toEqual({ code: 0, signal: null })
      expect(application.stdout).toBe('byFetch released\nbyHttp released\n')
      const rows = (await accesses()).slice(before)
      expect(rows.map(({ credential, outcome }) => `${credential} ${outcome}`)).toEqual([
        'secret/fetched ok',
        'secret/got ok',
      ])
      expect(JSON.stringify(rows.map(({ attributesJson }) => attributesJson))).toContain('wire')
      const said = JSON.stringify(rows, (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}` : value,
      )
      expect(said + application.stderr + application.stdout).not.toContain('hunter2')
    },
  )

  it('strict, and the database goes away: no secret is released, and each error says why', async () => {
    let stopping: Promise<void> | undefined
    onRequest = () => (stopping ??= store.stop())
    try {
      const env = {
        DATABASE_URL: store.url(),
        NOETL_SECRET_AUDIT_REQUIRED: 'true',
        NOETL_SECRET_AUDIT_DEADLINE_MS: '500',
        NOETL_SECRET_AUDIT_CLOSE_TIMEOUT_MS: '100',
        VAULT_ADDR: vault,
      }
      const application = new Application({ app, env })
      await application.exit
      // Whether it was sent before the database went away is not known in advance.
      const refused = 'AuditError AUDIT_(UNAVAILABLE|TIMEOUT)'
      expect(application.stdout).toMatch(new RegExp(`^byFetch ${refused}\nbyHttp ${refused}\n$`))
    } finally {
      onRequest = async () => {}
      await store.start()
    }
  })

  it('is left alone where that is switched off', async () => {
    const before = (await accesses()).length
    const env = {
      DATABASE_URL: store.url(),
      NOETL_SECRET_AUDIT_INSTRUMENT: 'off',
      VAULT_ADDR: vault,
    }
    const application = new Application({ app, env })
    await application.exit
    expect(application.stdout).toBe('byFetch released\nbyHttp released\n')
    expect((await accesses()).length).toBe(before)
  })
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginUrl } from '../../../src/options/database-url.js'
import { migrate } from '../../../src/postgres/migrate/migrate.js'
import { scramVerifier } from '../../../src/postgres/migrate/scram-verifier.js'
import { type PostgresServer, startPostgres } from '../../support/postgres/server.js'
import { connect } from '../../support/database.js'

// Logins that `migrate` makes, on a server that asks everybody for a password.

const PASSWORD = 'canary-pw-51f0a8'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres({ settings: { log_statement: 'all' } })
})

afterAll(() => server.close())

async function privileges(url: string): Promise<Record<string, boolean>> {
  const client = await connect(url)
  const { rows } = await client.query<Record<string, boolean>>(
    `select has_any_column_privilege('noetl.secret_audit', 'INSERT') as inserts,
       has_table_privilege('noetl.secret_audit', 'SELECT') as reads,
       has_table_privilege('noetl.secret_audit', 'UPDATE, DELETE') as changes`,
  )
  await client.end()
  return rows[0] ?? {}
}

describe('a login with a password', () => {
  test('writes, and no more; the server gets the verifier, and never the password', async () => {
    await migrate({ databaseUrl: server.url(), login: 'orders', password: PASSWORD })
    const { rows } = await server.query<{ rolpassword: string }>(
      `select rolpassword from pg_authid where rolname = 'orders'`,
    )
    const [, salt = ''] = /^SCRAM-SHA-256\$4096:([^$]+)\$/.exec(rows[0]?.rolpassword ?? '') ?? []
    expect(rows[0]?.rolpassword).toBe(scramVerifier(PASSWORD, Buffer.from(salt, 'base64')))
    expect(server.logs(100_000)).toContain(`alter role "orders" password 'SCRAM-SHA-256$4096:`)
    expect(server.logs(100_000)).not.toContain(PASSWORD)
    expect(await privileges(server.url('postgres', 'orders'))).toEqual({
      inserts: true,
      reads: false,
      changes: false,
    })
  })

  test('reads, too, where that is asked for', async () => {
    await migrate({ databaseUrl: server.url(), login: 'auditor', reads: true })
    expect(await privileges(server.url('postgres', 'auditor'))).toEqual({
      inserts: true,
      reads: true,
      changes: false,
    })
  })

  test('that is there already keeps its password, or gets the new one', async () => {
    const passwordOf = async (): Promise<string | undefined> =>
      (await server.query<{ p: string }>(`select rolpassword as p from pg_authid where rolname = 'orders'`))
        .rows[0]?.p
    const before = await passwordOf()
    await migrate({ databaseUrl: server.url(), login: 'orders' })
    expect(await passwordOf()).toBe(before)
    await migrate({ databaseUrl: server.url(), login: 'orders', password: 'another' })
    expect(await passwordOf()).not.toBe(before)
  })
})

test('the verifier is what the server makes of the same password and salt', async () => {
  await server.query(`set scram_iterations = 4096; create role of_server login password 'pencil'`)
  const { rows } = await server.query<{ p: string }>(
    `select rolpassword as p from pg_authid where rolname = 'of_server'`,
  )
  const [, salt = ''] = /^SCRAM-SHA-256\$4096:([^$]+)\$/.exec(rows[0]?.p ?? '') ?? []
  expect(scramVerifier('pencil', Buffer.from(salt, 'base64'))).toBe(rows[0]?.p)
})

test('the URL of a login has its password percent-encoded, and none of the owner’s', () => {
  expect(loginUrl('postgres://owner:x@h:5432/app?sslmode=verify-full', 'orders', 'a/b@c')).toBe(
    'postgres://orders:a%2Fb%40c@h:5432/app?sslmode=verify-full',
  )
})

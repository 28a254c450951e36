import { expect, inject, test } from 'vitest'
import { connect, emptyDatabase, migratedDatabase } from '../support/database.js'

test('an empty database is there until it is dropped, also with sessions open', async () => {
  const database = await emptyDatabase()
  const client = await connect(database.url)
  const { rows } = await client.query('select current_database() as name')
  expect(rows).toEqual([{ name: database.name }])

  await database.drop()
  await database.drop()
  await expect(client.query('select 1')).rejects.toThrow()
  await expect(connect(database.url)).rejects.toMatchObject({ code: '3D000' })
})

test('migrated databases are copies of one template, however many ask for the first one', async () => {
  const databases = await Promise.all(Array.from({ length: 4 }, () => migratedDatabase()))
  const [one, two] = await Promise.all(databases.slice(0, 2).map(({ url }) => connect(url)))
  await one?.query('set role noetl_audit_writer')
  await one?.query(
    `insert into noetl.secret_audit (audit_id, credential, operation, outcome)
      values ((extract(epoch from now()) * 1000 - 1704067200000)::bigint << 22, 'c', 'read', 'ok')`,
  )
  expect((await two?.query('select from noetl.secret_audit'))?.rowCount).toBe(0)
  await Promise.all([one?.end(), two?.end(), ...databases.map((database) => database.drop())])

  const server = await connect(inject('postgres').url)
  const { rows } = await server.query(
    `select datname as name from pg_database where starts_with(datname, $1) and datistemplate`,
    [inject('postgres').prefix],
  )
  await server.end()
  expect(rows).toEqual([{ name: `${inject('postgres').prefix}template` }])
})

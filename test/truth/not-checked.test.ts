import { afterEach, beforeEach, expect, test } from 'vitest'
import { StoreGuard } from '../../src/postgres/store/guard.js'
import { storeCheck } from '../../src/postgres/store/full-check.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'

let database: TestDatabase

beforeEach(async () => {
  database = await migratedDatabase()
})

afterEach(() => database.drop())

function guardOf(databaseUrl: string): StoreGuard {
  const session = {
    databaseUrl,
    applicationName: 'guard',
    answerTimeoutMs: 30_000,
    synchronousCommit: 'on',
  } as const
  return new StoreGuard(session, storeCheck({ ...session, schema: 'noetl' }))
}

test('a check without an answer says nothing about the store', async () => {
  const nowhere = new URL(database.url)
  nowhere.port = '1'
  const guard = guardOf(nowhere.href)
  expect(await guard.checkNow()).toBeUndefined()
  expect(guard.demandsOf([])).toEqual({
    synchronousCommit: 'on',
    shapes: undefined,
    relations: undefined,
    isDeferredFired: true,
  })
})

test('neither does one that waits for a lock of somebody else', async () => {
  const guard = guardOf(database.url)
  expect(await guard.checkNow()).toBeUndefined()
  const { shapes } = guard.demandsOf([])
  expect(shapes?.length).toBeGreaterThan(10)
  const owner = await connect(database.url)
  await owner.query('begin; lock table pg_catalog.pg_trigger in access exclusive mode')
  expect(await guard.checkNow()).toBeUndefined()
  expect(guard.demandsOf([]).shapes).toEqual(shapes)
  await owner.query('rollback')
  await owner.end()
})

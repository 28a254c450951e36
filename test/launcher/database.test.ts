import { afterAll, expect, test } from 'vitest'
import { connect, emptyDatabase } from '../support/database.js'

test('an empty database is there until it is dropped, also with sessions open', async () => {
  const database = await emptyDatabase()
  const client = await connect(database.url)
  afterAll(() => client.end())
  const { rows } = await client.query('select current_database() as name')
  expect(rows).toEqual([{ name: database.name }])

  await database.drop()
  await database.drop()
  await expect(client.query('select 1')).rejects.toThrow()
  await expect(connect(database.url)).rejects.toMatchObject({ code: '3D000' })
})

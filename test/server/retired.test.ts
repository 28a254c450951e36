import { afterAll, beforeAll, expect, test } from 'vitest'
import { firstIdOf } from '../../src/event/snowflake.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { PATH, served } from './served.js'

let database: TestDatabase
const [MAY, JUNE, JULY] = [4, 5, 6].map((month) => firstIdOf(Date.UTC(2024, month, 1))) as [
  bigint,
  bigint,
  bigint,
]

beforeAll(async () => {
  database = await migratedDatabase()
  const owner = await connect(database.url)
  await owner.query(
    `insert into noetl.secret_audit_retirement (partition, from_id, to_id, state, place, row_count)
     values ('may', null, $1, 'retired', null, 3), ('june', $1, $2, 'retired', '/archive/wallet', 5)`,
    [String(JUNE), String(JULY)],
  )
  await owner.end()
})

afterAll(() => database.drop())

test('what was retired is told, with where its archive is', async () => {
  const { get } = await served(database.url)
  expect((await get(`${PATH}/retired`)).body).toEqual({
    ranges: [
      {
        partition: 'may',
        state: 'retired',
        from: null,
        to: '2024-06-01T00:00:00.000000Z',
        rows: 3,
        place: null,
      },
      {
        partition: 'june',
        state: 'retired',
        from: '2024-06-01T00:00:00.000000Z',
        to: '2024-07-01T00:00:00.000000Z',
        rows: 5,
        place: '/archive/wallet',
      },
    ],
  })
})

test('a link to a row that was retired says so', async () => {
  const { get } = await served(database.url)
  const detailOf = async (id: bigint): Promise<unknown> => {
    const { status, body } = await get(`${PATH}/${id}`)
    expect(status).toBe(404)
    return body['detail']
  }
  const june =
    'There is no row with this id: those of its time were retired, and their archive is in /archive/wallet.'
  expect(await detailOf(JUNE)).toBe(june)
  expect(await detailOf(JULY - 1n)).toBe(june)
  expect(await detailOf(MAY)).toBe(
    'There is no row with this id: those of its time were retired, without an archive.',
  )
  expect(await detailOf(JULY)).toBe('There is no row with this id.')
})

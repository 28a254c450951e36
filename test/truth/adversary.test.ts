import { expect, test } from 'vitest'
import { migratedDatabase } from '../support/database.js'
import { adversary } from '../support/adversary.js'

/** How long it may go on here, in ms; `npm run adversary` goes on for as long as it is told to. */
const LONGEST_MS = 12_000
const MOST = 400

test('whatever becomes of the messages, nothing is committed that is not stored as it was sent', async () => {
  const database = await migratedDatabase()
  const seed = Number(process.env['ADVERSARY_SEED'] ?? Date.now() % 1_000_000_000)
  const until = performance.now() + LONGEST_MS
  const report = await adversary(database.url, seed, (done) => done >= MOST || performance.now() > until)
  console.log(`adversary: seed ${seed}, ${report.mutations} mutations, ${JSON.stringify(report.answers)}`)
  expect(report.lies).toEqual([])
  expect(report.answers['unknown']).toBeGreaterThan(0)
  expect(report.answers['committed']).toBeGreaterThan(0)
  await database.drop()
})

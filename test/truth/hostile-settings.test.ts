import { expect, test } from 'vitest'
import { migratedDatabase } from '../support/database.js'
import { hostileSettings } from '../support/hostile-settings.js'

/** How long it may go on here, in ms; `npm run hostile-settings` tries all of them. */
const LONGEST_MS = 12_000

test('whatever is set for role, database or environment, a trail comes out the same, or is refused by name', async () => {
  const database = await migratedDatabase()
  const seed = Number(process.env['HOSTILE_SEED'] ?? Date.now() % 1_000_000_000)
  const until = performance.now() + LONGEST_MS
  const report = await hostileSettings(database.url, { seed }, () => performance.now() > until)
  console.log(`hostile settings: seed ${seed}, ${report.cases} cases, ${report.refusals} refusals`)
  expect(report.differences).toEqual([])
  expect(report.cases).toBeGreaterThan(1)
  await database.drop()
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { taken } from '../../src/host/globals.js'
import { snowflakeTime } from '../../src/event/snowflake.js'
import { createAudit, type Audit } from '../../src/audit/audit.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'

// A clock that is wrong, for a moment or from the start, costs no record.

const DAY_MS = 86_400_000
const real = Date.now
let database: TestDatabase
let audit: Audit

beforeEach(async () => {
  database = await migratedDatabase()
})

afterEach(async () => {
  vi.restoreAllMocks()
  await audit.close()
  await database.drop()
})

const says = (offsetMs: number): void => {
  vi.spyOn(taken, 'dateNow').mockImplementation(() => real() + offsetMs)
}
const fields = (credential: string) => ({ credential, operation: 'get_credential', outcome: 'ok' }) as const

const daysFromNow = (unixMs: number): number => Math.round((unixMs - real()) / DAY_MS) + 0

async function stored(): Promise<readonly (readonly [string, number, number, bigint | null])[]> {
  await audit.close()
  vi.restoreAllMocks()
  const rows = await readTrail(database.url)
  expect((await verifiedTrail(database.url)).found).toEqual([])
  return rows.map(({ event }) => [
    event.operation === 'get_credential' ? event.credential : `${event.operation} ${event.outcome}`,
    daysFromNow(snowflakeTime(event.auditId)),
    daysFromNow(event.occurredAt / 1000),
    event.originalAuditId,
  ])
}

describe.each([400, 380, 2, -2, -800])('a clock that is wrong by %d days for a moment', (days) => {
  it('costs none: what it dated has an id that could be stored, and what follows is as ever', async () => {
    audit = createAudit({ databaseUrl: database.url, lingerMs: 0 })
    await audit.start()
    await audit.service.recordStrict(fields('before'))
    says(days * DAY_MS)
    await audit.service.recordStrict(fields('during'))
    audit.service.recordAsync(fields('during async'))
    says(0)
    await audit.service.recordStrict(fields('after'))
    audit.service.recordAsync(fields('after async'))
    await audit.flush()
    expect(audit.stats()).toMatchObject({ droppedAsync: 0, failedStrict: 0 })
    const rows = await stored()
    for (const name of ['before', 'after', 'after async']) {
      expect(rows.find(([credential]) => credential === name)).toEqual([name, 0, 0, null])
    }
    for (const name of ['during', 'during async']) {
      const [, idDays = 99, timeDays, original] = rows.find(([credential]) => credential === name) ?? []
      // What the event says about its time was sealed.
      expect(timeDays).toBe(days)
      expect(idDays === 0 || (idDays === days && days === -2)).toBe(true)
      expect(original === null).toBe(idDays === days)
    }
  })
})

describe.each([
  ['1970', -real()],
  ['2020', Date.UTC(2020) - real()],
  ['2060', Date.UTC(2060) - real()],
])('a clock that was never set: %s', (_, offset) => {
  it('costs none, and neither rows about ourselves', async () => {
    const said = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    says(offset)
    audit = createAudit({ databaseUrl: database.url, lingerMs: 0, batchRows: 100 })
    await audit.start()
    for (let i = 0; i < 300; i++) audit.service.recordAsync(fields(`async ${i}`))
    await audit.service.recordStrict(fields('strict'))
    await audit.flush()
    expect(audit.stats()).toMatchObject({ written: 302, droppedAsync: 0, failedStrict: 0 })
    const rows = await stored()
    expect(rows).toHaveLength(303)
    expect(rows.filter(([, days]) => days !== 0)).toEqual([])
    expect(rows.filter(([, , , original]) => original === null)).toEqual([])
    expect(rows.map(([name]) => name)).toEqual(
      expect.arrayContaining(['audit_lifecycle started', 'audit_lifecycle stopped', 'strict', 'async 299']),
    )
    said.mockRestore()
  })
})

it('a gap is told under an id that can be stored, also by a clock that is wrong', async () => {
  says(-900 * DAY_MS)
  audit = createAudit({ databaseUrl: database.url, queueRows: 5, lingerMs: 0 })
  await audit.start()
  await audit.flush()
  for (let i = 0; i < 20; i++) audit.service.recordAsync(fields(`async ${i}`))
  await audit.flush()
  await expect
    .poll(async () => (await readTrail(database.url)).some(({ event }) => event.operation === 'audit_gap'), {
      timeout: 20_000,
    })
    .toBe(true)
  const rows = await stored()
  expect(rows.filter(([, days]) => days !== 0)).toEqual([])
  expect(rows.filter(([name]) => name === 'audit_gap lost')).toHaveLength(1)
})

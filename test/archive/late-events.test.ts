import { createAudit } from 'otel-audit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'
import { OldTrail } from './old-trail.js'

let trail: OldTrail

beforeEach(async () => {
  trail = await OldTrail.create(4)
  await trail.fill()
  await trail.archive(3)
  await trail.retire(3)
})

afterEach(() => trail.drop())

test('an event of a month that was retired is stored under an id of now, with its own time, strict and async', async () => {
  const audit = createAudit({
    databaseUrl: trail.database.url,
    serviceName: 'late',
    origin: 'otel-audit/wallet',
  })
  const occurredAt = new Date((trail.months[1] ?? 0) + 5000)
  const access = { operation: 'get_credential', outcome: 'ok', occurredAt } as const
  const receipt = await audit.service.recordStrict({ ...access, credential: 'late-strict' })
  audit.service.recordAsync({ ...access, credential: 'late-async' })
  await audit.close()
  const rows = (await readTrail(trail.owner)).filter(({ event }) => event.credential.startsWith('late-'))
  expect(rows.map(({ event }) => event.credential).toSorted()).toEqual(['late-async', 'late-strict'])
  for (const { event } of rows) {
    expect(event.occurredAt).toBe(occurredAt.getTime() * 1000)
    expect(event.auditId >= trail.bound(4)).toBe(true)
    expect((event.originalAuditId ?? 0n) < trail.bound(2)).toBe(true)
  }
  expect(rows.map(({ event }) => event.auditId)).toContain(receipt.auditId)
  expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
})

import { afterEach, beforeEach, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import type { RetireContext } from '../../src/archive/retire.js'
import { chainStartsRow, retentionRow } from '../../src/event/self-rows.js'
import { retentionKeyName, signRetention } from '../../src/verify/retention-note.js'
import { anEvent } from '../support/events.js'
import { verifiedTrail } from '../support/verified.js'
import { OldTrail } from './old-trail.js'

// Rows that say what was retired are of a month themselves, which is retired in its time.

let trail: OldTrail

beforeEach(async () => {
  trail = await OldTrail.create(4)
  await trail.fill()
})

afterEach(() => trail.drop())

const OPERATOR = { actorId: 'op', actorType: 'user' } as const

/** As if it were that month. */
function asIfIn(month: number): Pick<RetireContext, 'record' | 'recordStarts'> {
  const idIn = (nth: number) => ({ auditId: trail.event(month, 5000 + nth).auditId })
  let nth = 0
  return {
    record: (said, note) => trail.write(anEvent(retentionRow(said, note, OPERATOR), idIn(nth++))),
    recordStarts: (said, note) => trail.write(anEvent(chainStartsRow(said, note, OPERATOR), idIn(nth++))),
  }
}

test('what was retired stays known when the month of the row about it is retired', async () => {
  await trail.archive(1)
  await trail.retire(1, asIfIn(2))
  expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
  await trail.archive(3)
  await trail.retire(3)
  const { found, retention } = await verifiedTrail(trail.database.url, trail.trust)
  expect(found).toEqual([])
  expect(retention.map(({ state }) => state)).toEqual(['retired', 'retired', 'retired'])
  expect(trail.lines).toContain('2 notes about what was retired earlier are said again')
})

const noteRows = async (): Promise<number> => {
  const { rowCount } = await trail.owner.query(
    `select from noetl.secret_audit where operation = 'audit_retention' and attributes->>'note' is not null`,
  )
  return rowCount ?? 0
}

test('of a month that is held it is said once, and what nobody with the key has signed is not said again', async () => {
  await trail.archive(1)
  await trail.retire(1, asIfIn(2))
  const other = generateNoteKey(retentionKeyName('otel-audit/wallet'))
  const said = {
    log: 'otel-audit/wallet',
    trail: '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6',
    state: 'retired',
    partition: 'made_up',
    from: undefined,
    to: 5n,
    rows: 0,
    leaves: { count: 0, sum: '0'.repeat(64) },
    manifests: [],
    time: 1,
  } as const
  await asIfIn(2).record(said, signRetention(said, other.signer))
  await trail.owner.query(
    `insert into noetl.secret_audit_hold (credential, reason, added_by) values ('*', 'x', 'op')`,
  )
  const before = await noteRows()
  await trail.archive(3)
  for (const _ of [1, 2]) {
    await trail.retire(3)
    expect(await noteRows()).toBe(before + 2)
  }
})

test('a month that was put back is known as such, too: an older note of it does not count again', async () => {
  await trail.archive(1)
  const hold = `insert into noetl.secret_audit_hold (credential, reason, added_by) values ('*', 'x', 'op')`
  const { record } = asIfIn(1)
  const holding: RetireContext['record'] = async (said, note) => {
    await record(said, note)
    if (said.state === 'retiring') await trail.owner.query(hold)
  }
  expect(await trail.retire(1, { record: holding })).toMatchObject([{ outcome: 'held' }])
  expect(await noteRows()).toBe(2)
  await trail.retire(3)
  expect(await noteRows()).toBe(3)
})

test('a note of a key that is not known is not let go', async () => {
  await trail.archive(1)
  await trail.retire(1, asIfIn(2))
  const { signer } = generateNoteKey(retentionKeyName('otel-audit/wallet'))
  const trust = { ...trail.trust, retention: [trail.key.signer.key] }
  await trail.archive(3, { signer, trust })
  const before = await noteRows()
  await trail.owner.query('delete from noetl.secret_audit_chain_start')
  await expect(trail.retire(3, { signer })).rejects.toThrow(
    /is signed by a retention key that is not known here/,
  )
  expect(await noteRows()).toBe(before)
  await trail.retire(3, { signer, trust })
  const { found } = await verifiedTrail(trail.database.url, {
    ...trust,
    retention: [trail.key.signer.key, signer.key],
  })
  expect(found).toEqual([])
})

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  endHold,
  heldCredentials,
  insertHold,
  lockHolds,
  type NewHold,
  readHolds,
} from '../../src/archive/holds.js'
import { retirePlan, type RetireContext } from '../../src/archive/retire.js'
import { connect } from '../support/database.js'
import { batchOf } from '../support/events.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'
import { waitUntil } from '../support/wait-until.js'
import { OldTrail } from './old-trail.js'

let trail: OldTrail

beforeEach(async () => {
  trail = await OldTrail.create(3)
  await trail.fill()
  await trail.write(trail.event(1, 77, { credential: 'payments-eu' }))
  await trail.archive(2)
})

afterEach(() => trail.drop())

async function hold(given: Partial<NewHold> = {}): Promise<string> {
  const asked = {
    credential: 'payments-*',
    reason: 'case 17',
    addedBy: 'op',
    from: undefined,
    to: undefined,
    ...given,
  }
  const client = await connect(trail.database.url)
  try {
    await client.query('begin')
    await lockHolds(client, 'noetl')
    const id = await insertHold(client, 'noetl', asked)
    await client.query('commit')
    return id
  } finally {
    await client.end()
  }
}

const isThere = async (credential: string): Promise<boolean> =>
  (await readTrail(trail.owner)).some(({ event }) => event.credential === credential)

describe('a held credential', () => {
  test('keeps its month, and no other', async () => {
    const id = await hold()
    const plan = await retirePlan(trail.context(), trail.bound(2))
    expect(plan.map(({ outcome }) => outcome)).toEqual(['would be retired', 'held'])
    expect(await trail.retire(2)).toMatchObject([
      { outcome: 'retired' },
      { outcome: 'held', detail: `hold ${id} on payments-* (case 17)` },
    ])
    expect(await isThere('payments-eu')).toBe(true)
    expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
    await endHold(trail.owner, 'noetl', id, 'op')
    expect(await trail.retire(2)).toMatchObject([{ outcome: 'retired' }])
    expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
  })

  test('keeps an older month than one that is retired, which is not made again for a late event', async () => {
    await trail.write(trail.event(0, 77, { credential: 'old' }))
    await hold({ credential: 'old' })
    expect((await trail.retire(2)).map(({ outcome }) => outcome)).toEqual(['held', 'retired'])
    await trail.write(trail.event(0, 99))
    const late = await trail.writer.write(batchOf(trail.event(1, 99)))
    expect(late).toMatchObject({ status: 'refused', misdatedAt: expect.any(Number) })
    expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
  })

  test.each<[string, Partial<NewHold>, boolean]>([
    ['by its exact name', { credential: 'payments-eu' }, true],
    ['by another name', { credential: 'payments' }, false],
    ['by a name with a wildcard of SQL in it', { credential: 'payments_%' }, false],
    ['in a window that has it', { from: Date.UTC(2024, 0) * 1000 }, true],
    ['in a window that is before it', { to: Date.UTC(2024, 0) * 1000 }, false],
  ])('%s', async (_, given, isHeld) => {
    await hold(given)
    const outcomes = await trail.retire(2)
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['retired', isHeld ? 'held' : 'retired'])
  })

  test('is listed with what it matches, until it is released, once', async () => {
    const id = await hold()
    expect(await readHolds(trail.owner, 'noetl')).toMatchObject([
      { id, credential: 'payments-*', releasedAt: null },
    ])
    expect(await heldCredentials(trail.owner, 'noetl', 'payments-*', 10)).toEqual(['payments-eu'])
    expect(await endHold(trail.owner, 'noetl', id, 'op')).toMatchObject({ reason: 'case 17' })
    expect(await endHold(trail.owner, 'noetl', id, 'op')).toBeUndefined()
  })
})

describe('a hold that comes in a race with a retirement', () => {
  test('after the row that says retiring: the month is put back, with every row, and verifies', async () => {
    const before = await readTrail(trail.owner)
    const { record } = trail.context()
    const racing: RetireContext['record'] = async (retention, note) => {
      await record(retention, note)
      if (retention.from === trail.bound(1) && retention.state === 'retiring') await hold()
    }
    expect(await trail.retire(2, { record: racing })).toMatchObject([
      { outcome: 'retired' },
      { outcome: 'held', detail: expect.stringContaining('it was attached again') },
    ])
    const after = await readTrail(trail.owner)
    const ofMonth = (rows: typeof before): typeof before =>
      rows.filter(({ event }) => event.auditId >= trail.bound(1) && event.auditId < trail.bound(2))
    expect(ofMonth(after)).toEqual(ofMonth(before))
    const { found, retention } = await verifiedTrail(trail.database.url, trail.trust)
    expect([found, retention.map(({ state }) => state)]).toEqual([[], ['retired']])
    const { rows } = await trail.owner.query<{ conname: string }>(
      `select conname from pg_constraint where contype = 'c' and conrelid = (
         select ('noetl.' || partition)::regclass from noetl.secret_audit_partitions() order by from_id limit 1)`,
    )
    expect(rows.map(({ conname }) => conname).toSorted()).toEqual([
      'secret_audit_not_ahead',
      'secret_audit_sizes',
    ])
    // It takes rows again, and refuses changes.
    await trail.write(trail.event(1, 88))
    await expect(
      trail.owner.query(`delete from noetl.secret_audit where audit_id = ${trail.bound(1)}`),
    ).rejects.toThrow(/append-only/)
  })

  test('while the lock is held: whoever is first is seen by the other', async () => {
    const client = await connect(trail.database.url)
    await client.query('begin')
    await lockHolds(client, 'noetl')
    const running = trail.retire(2)
    await waitUntil('the retirement waits', async () => {
      const { rowCount } = await trail.owner.query(
        `select from pg_locks where relation = 'noetl.secret_audit_hold'::regclass and not granted`,
      )
      return rowCount === 1
    })
    await insertHold(client, 'noetl', {
      credential: '*',
      reason: 'all',
      addedBy: 'op',
      from: undefined,
      to: undefined,
    })
    await client.query('commit')
    await client.end()
    expect((await running).map(({ outcome }) => outcome)).toEqual(['held', 'held'])
  })
})

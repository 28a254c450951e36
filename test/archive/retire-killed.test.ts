import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RetireContext } from '../../src/archive/retire.js'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import { diagnoseStore } from '../../src/postgres/diagnose.js'
import { ensurePartitions } from '../../src/postgres/partitions.js'
import { connect } from '../support/database.js'
import { batchOf } from '../support/events.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'
import { waitUntil } from '../support/wait-until.js'
import { OldTrail } from './old-trail.js'

// A retirement that is killed, on this side or on the server, at each of its steps; and goes on afterwards.

const STORE = {
  schema: 'noetl',
  applicationName: 'otel-audit test',
  answerTimeoutMs: 60_000,
  synchronousCommit: 'on',
} as const

let trail: OldTrail

beforeEach(async () => {
  trail = await OldTrail.create(3)
  await trail.fill()
  await trail.archive(2)
})

afterEach(() => trail.drop())

const states = async (): Promise<string[]> =>
  (
    await trail.owner.query<{ state: string }>(
      'select state from noetl.secret_audit_retirement order by to_id',
    )
  ).rows.map(({ state }) => state)

const pending = async (): Promise<string[]> =>
  (
    await trail.owner.query<{ partition: string }>('select partition from noetl.secret_audit_pending()')
  ).rows.map(({ partition }) => partition)

/** Everything that was ever stored is in the trail or in the files, once, and verifies. */
async function nothingIsLost(stored: readonly bigint[]): Promise<void> {
  const live = (await readTrail(trail.owner)).map(({ event }) => event.auditId)
  const { found, report } = await trail.verifyFiles()
  expect(found).toEqual([])
  const below = stored.filter((id) => id < trail.bound(2))
  expect(report?.rows).toMatchObject({ partly: 0 })
  expect((report?.rows.proven ?? 0) + (report?.rows.unsigned ?? 0)).toBe(below.length)
  expect(stored.filter((id) => id >= trail.bound(2)).every((id) => live.includes(id))).toBe(true)
  const verified = await verifiedTrail(trail.database.url, trail.trust)
  expect([verified.found, verified.rows.partly, verified.rows.kept]).toEqual([[], 0, 0])
}

const storedIds = async (): Promise<bigint[]> =>
  (await readTrail(trail.owner)).map(({ event }) => event.auditId)

/** Ends the sessions of a retirement on the server. @returns how many there were */
async function terminate(): Promise<number> {
  const { rowCount } = await trail.owner.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name in ('otel-audit retire', 'otel-audit archive')`,
  )
  return rowCount ?? 0
}

/** Ends the sessions of a retirement so many ms after they are there, unless it ends before. @returns how many there were */
async function killWhenThere(afterMs: number, run: Promise<unknown>): Promise<number> {
  const at = { isOver: false }
  void run.finally(() => {
    at.isOver = true
  })
  if (afterMs > 0) await sleep(afterMs)
  for (;;) {
    const count = await terminate()
    if (count > 0 || at.isOver) return count
  }
}

describe('killed', () => {
  test.each([
    ['before its first row', 0, 'before', 'archived'],
    ['after its first row', 0, 'after', 'archived'],
    ['before its last row', 1, 'before', 'dropped'],
    ['after its last row', 1, 'after', 'dropped'],
  ] as const)('%s', async (_, nth, when, state) => {
    const stored = await storedIds()
    const { record } = trail.context()
    let said = 0
    const killed: RetireContext['record'] = async (retention, note) => {
      const isNow = said++ === nth
      if (isNow && when === 'before') throw new Error('killed')
      await record(retention, note)
      if (isNow) throw new Error('killed')
    }
    await expect(trail.retire(1, { record: killed })).rejects.toThrow('killed')
    expect((await states())[0]).toBe(state)
    expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
    expect((await trail.retire(2)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
    await nothingIsLost(stored)
  })

  test('while it compares the table with the archive', async () => {
    const stored = await storedIds()
    class Unreadable extends DirectoryStore {
      override readAt(file: string, ...range: [number, number]): Promise<Buffer> {
        if (file.includes('/rows-')) throw new Error('killed')
        return super.readAt(file, ...range)
      }
    }
    await expect(trail.retire(1, { storeAt: (place) => new Unreadable(place) })).rejects.toThrow('killed')
    expect(await states()).toEqual(['detached', 'archived'])
    expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
    await trail.retire(2)
    await nothingIsLost(stored)
  })

  test('when it has written what came late, and has not proven it: that is not written again', async () => {
    await trail.write(trail.event(0, 4000))
    const stored = await storedIds()
    class Unreadable extends DirectoryStore {
      override readAt(file: string, ...range: [number, number]): Promise<Buffer> {
        if (file.startsWith('000003-')) throw new Error('killed')
        return super.readAt(file, ...range)
      }
    }
    await expect(trail.retire(1, { storeAt: (place) => new Unreadable(place) })).rejects.toThrow('killed')
    expect(await states()).toEqual(['detached', 'archived'])
    expect((await trail.retire(2)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
    expect((await trail.verifyFiles()).archives.map(({ manifest }) => manifest.rows)).toEqual([7, 7, 1])
    await nothingIsLost(stored)
  })

  test('on the server, while the detachment waits for a reader: it is pending, and finished by the next run', async () => {
    const stored = await storedIds()
    const reader = await connect(trail.database.url)
    // It begins when nobody is looked for any more, and before the detachment.
    const record: RetireContext['record'] = async (retention, note) => {
      await trail.context().record(retention, note)
      await reader.query('begin isolation level repeatable read')
      await reader.query('select count(*) from noetl.secret_audit')
    }
    const running = trail.retire(1, { record, patienceMs: 60_000 }).catch((error: unknown) => error)
    // The retirement waits for the reader: with patience, before it detaches.
    await waitUntil('the state', async () => (await states())[0] === 'retiring')
    const byHand = await connect(trail.database.url)
    const { rows } = await trail.owner.query<{ partition: string }>(
      `select partition from noetl.secret_audit_retirement where state = 'retiring'`,
    )
    const name = rows[0]?.partition ?? ''
    const detaching = byHand
      .query(`alter table noetl.secret_audit detach partition noetl.${name} concurrently`)
      .catch((error: unknown) => error)
    await waitUntil('the pending detachment', async () => (await pending()).length === 1)
    await trail.owner.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'alter table%detach%' and pid <> pg_backend_pid()`,
    )
    await detaching
    await byHand.end().catch(() => {})
    expect(await terminate()).toBeGreaterThan(0)
    expect(await running).toBeInstanceOf(Error)
    expect([await pending(), (await states())[0]]).toEqual([[name], 'retiring'])
    // Its rows are not seen any more, and are not missing: the row that says so was committed before.
    const during = await verifiedTrail(trail.database.url, trail.trust)
    expect([during.found, during.retention.map(({ state }) => state)]).toEqual([[], ['retiring']])
    // An event of that month finds another place, and nobody makes the month again.
    const late = await trail.writer.write(batchOf(trail.event(0, 300)))
    expect(late).toMatchObject({ status: 'refused', misdatedAt: expect.any(Number) })
    expect(await ensurePartitions(trail.owner, 'noetl')).toEqual([])
    const diagnosis = await diagnoseStore({ ...STORE, databaseUrl: trail.database.url })
    expect(diagnosis.find(({ check }) => check === 'partitions')?.findings).toMatchObject([
      { level: 'warning', message: expect.stringContaining(`the detachment of ${name} was begun`) },
    ])
    expect(diagnosis.find(({ check }) => check === 'durability')?.findings).toEqual([])
    expect(await trail.retire(1, { patienceMs: 0 })).toMatchObject([{ outcome: 'in the way' }])
    await reader.query('commit')
    await reader.end()
    expect((await trail.retire(2)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
    expect(await pending()).toEqual([])
    await nothingIsLost(stored)
  })

  test('at random moments on the server, with writers and a reader, again and again', async () => {
    const stored = new Set(await storedIds())
    const at = { isOver: false }
    const writing = (async () => {
      while (!at.isOver) {
        const now = trail.event(2, 4000 + stored.size)
        await trail.write(now)
        stored.add(now.auditId)
        const late = trail.event(stored.size % 2, 5000 + stored.size)
        const result = await trail.writer.write(batchOf(late))
        if (result.status === 'committed') stored.add(late.auditId)
        else expect(result).toMatchObject({ status: 'refused', misdatedAt: expect.any(Number) })
      }
    })()
    const reader = await connect(trail.database.url)
    const reading = (async () => {
      while (!at.isOver) await reader.query('select count(*), pg_sleep(0.05) from noetl.secret_audit')
    })()
    let kills = 0
    try {
      for (let n = 0; ; n++) {
        const run = trail.retire(2).then(
          (outcomes) => outcomes,
          () => undefined,
        )
        // The first rounds end as soon as it is there, the later ones further on: however fast the machine is.
        const killing = n < 20 ? killWhenThere(n * 2, run) : Promise.resolve(0)
        const outcomes = await run
        kills += await killing
        if (n >= 20 && outcomes !== undefined) break
      }
    } finally {
      at.isOver = true
      await Promise.all([writing, reading])
      await reader.end()
    }
    expect(kills).toBeGreaterThan(5)
    expect(await states()).toEqual(['retired', 'retired'])
    await nothingIsLost([...stored])
  })
})

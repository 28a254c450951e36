import { beforeEach, describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../../src/chain/note-key.js'
import { eventDigest } from '../../../src/event/digest.js'
import type { Trust } from '../../../src/verify/trust.js'
import { LOG, MemoryWriter, type StoredRow } from '../memory-trail.js'
import { DAY, PartedTrail, START, Watcher } from './watched-trail.js'

const OPERATOR = generateNoteKey(`${LOG}/enrolment`)
const TRUST: Partial<Trust> = { origin: LOG, enrolment: [OPERATOR.signer.key], unsigned: 'none' }
const DAYS = 60

let trail: PartedTrail
let writers: readonly MemoryWriter[]
let watcher: Watcher
/** When the trail ends. */
const END = START + DAYS * DAY

/** A day of all writers, whose blocks interleave. */
function writeDay(day: number): void {
  for (const [i, writer] of writers.entries()) {
    for (const hour of [2, 15])
      writer.write(1 + ((day + hour + i) % 4), trail.from(START + day * DAY + hour * 3_600_000 + i * 500))
  }
}

beforeEach(() => {
  trail = new PartedTrail()
  writers = [1, 2, 3].map(() => new MemoryWriter(trail, OPERATOR.signer))
  for (let day = 0; day < DAYS; day++) writeDay(day)
  watcher = new Watcher(trail, TRUST)
})

/** A row of a day in the middle. */
function oldRow(): StoredRow {
  const row = trail.rows[Math.floor(trail.rows.length / 2)]
  if (row === undefined) throw new Error('no row')
  return row
}

describe('without a state', () => {
  test('everything is verified', async () => {
    const { found, rows, incremental } = await watcher.run(END)
    expect(found).toEqual([])
    expect(rows.proven).toBe(trail.rows.length)
    expect(incremental).toMatchObject({
      sequence: 1,
      full: true,
      cycle: { startedAt: END, deadline: END + 30 * DAY },
    })
  })

  test('what is found is found again, until it is put right', async () => {
    const row = oldRow()
    const { event } = row
    row.event = { ...event, notes: 'other' }
    expect((await watcher.run(END)).found).toMatchObject([{ code: 'row-changed', auditId: event.auditId }])
    const again = await watcher.run(END + DAY)
    expect(again.found).toMatchObject([{ code: 'row-changed', auditId: event.auditId }])
    expect(again.incremental).toMatchObject({ full: false, open: { ranges: 1 } })
    row.event = event
    expect((await watcher.run(END + 2 * DAY)).found).toEqual([])
    expect((await watcher.run(END + 3 * DAY)).incremental.open).toEqual({ chains: 0, ranges: 0 })
  })
})

describe('with a state', () => {
  beforeEach(async () => {
    expect((await watcher.run(END)).found).toEqual([])
    trail.read = { blocks: 0, rows: 0 }
  })

  test('only what is new is read, and a share of what is old', async () => {
    writeDay(DAYS)
    const { found, incremental } = await watcher.run(END + DAY)
    expect(found).toEqual([])
    const rows = trail.rows.filter(({ event }) => event.auditId > (watcher.state?.highest ?? 0n))
    expect(rows).toEqual([])
    expect(incremental.new).toMatchObject({ chains: 0, blocks: 6 })
    expect(incremental.cycle.done).toBeCloseTo(1 / 30)
    expect(trail.read.rows).toBeLessThan(trail.rows.length / 10)
    expect(trail.read.blocks).toBeLessThan(trail.table.length / 4)
  })

  test('everything is read again within the period, and nothing is found', async () => {
    let again = 0
    const before = trail.rows.length
    for (let day = 1; day <= 30; day++) {
      writeDay(DAYS + day - 1)
      const { found, incremental } = await watcher.run(END + day * DAY)
      expect([day, found]).toEqual([day, []])
      again += incremental.again.rows
    }
    expect(again).toBeGreaterThanOrEqual(before)
    expect(watcher.state?.cycle.startedAt).toBe(END + 30 * DAY)
  })

  test('a row that was altered in an old month is found within the period', async () => {
    oldRow().event = { ...oldRow().event, notes: 'other' }
    const day = await watcher.daysUntilFound(END, 30)
    expect(day).toBeGreaterThan(1)
    expect(day).toBeLessThanOrEqual(30)
    expect((await watcher.run(END + 40 * DAY)).found).toMatchObject([{ code: 'row-changed' }])
  })

  test('runs that were left out, or a state that was put back, do not move the deadline', async () => {
    const first = watcher.text
    await watcher.run(END + DAY)
    await watcher.run(END + 2 * DAY)
    oldRow().event = { ...oldRow().event, notes: 'other' }
    watcher.text = first
    const { found, incremental } = await watcher.run(END + 30 * DAY)
    expect(found).toMatchObject([{ code: 'row-changed' }])
    expect(incremental.cycle.startedAt).toBe(END + 30 * DAY)
  })

  test('a new chain, one that is closed, and late rows are verified', async () => {
    const fourth = new MemoryWriter(trail, OPERATOR.signer)
    fourth.write(3, trail.from(END))
    writers[0]?.end('close')
    // What a spool had kept for a month.
    writers[1]?.write(5, trail.from(END - 30 * DAY))
    const { found, incremental, chains } = await watcher.run(END + DAY)
    expect(found).toEqual([])
    expect(incremental.new).toMatchObject({ chains: 1, rows: 8 })
    expect(chains.map(({ end }) => end).toSorted()).toEqual(['closed', 'open', 'open', 'open'])
    expect((await watcher.run(END + 2 * DAY)).found).toEqual([])
  })

  test('keys that are replaced between two runs', async () => {
    for (let i = 0; i < 1005; i++) writers[0]?.write(1, trail.from(END + i * 2000))
    expect((await watcher.run(END + DAY)).found).toEqual([])
    for (let i = 0; i < 5; i++) writers[0]?.write(1, trail.from(END + DAY + i * 2000))
    expect((await watcher.run(END + 2 * DAY)).found).toEqual([])
    expect((await watcher.run(END + 40 * DAY)).found).toEqual([])
  })

  test('another trust file begins anew', async () => {
    watcher.trust = { ...watcher.trust, systems: ['1'] }
    const { found, incremental } = await watcher.run(END + DAY)
    expect(incremental.full).toBe(true)
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['chain-foreign']))
  })

  test('a state of another trail is refused', async () => {
    trail.identity = '0'.repeat(32)
    await expect(watcher.run(END + DAY)).rejects.toMatchObject({ code: 'AUDIT_VERIFY_STATE' })
  })

  test('where something else answers than the tables, the state stays', async () => {
    trail.altered = [{ what: 'secret_audit is a view', hidesRows: false }]
    const { found, next } = await watcher.run(END + DAY)
    expect([found[0]?.code, next]).toEqual(['store-altered', undefined])
    trail.altered = [{ what: 'secret_audit hides rows', hidesRows: true }]
    const hidden = await watcher.run(END + DAY)
    expect([hidden.rows.proven, hidden.next]).toEqual([0, undefined])
  })
})

describe('rows without a block', () => {
  const ADOPTED = 40

  beforeEach(async () => {
    for (let i = 0; i < ADOPTED; i++) {
      const event = trail.event(START - (i + 1) * DAY)
      trail.insert({ event, digest: null, chain: null, block: null, index: null })
    }
    watcher = new Watcher(trail, { ...TRUST, unsigned: { before: trail.event(START).auditId } })
    expect((await watcher.run(END)).found).toEqual([])
  })

  const adopted = (): StoredRow => trail.rows.findLast(({ digest }) => digest === null) as StoredRow

  test.each<[string, () => void]>([
    ['altered', () => void (adopted().event = { ...adopted().event, notes: 'other' })],
    ['removed', () => (trail.rows = trail.rows.filter((row) => row !== adopted()))],
    [
      'added',
      () => {
        const event = trail.event(START - 3 * DAY)
        trail.insert({ event, digest: eventDigest(event), chain: null, block: null, index: null })
      },
    ],
  ])('one that is %s is found within the period, and stays a finding', async (_, attack) => {
    attack()
    expect(await watcher.daysUntilFound(END, 30)).toBeLessThanOrEqual(30)
    expect((await watcher.run(END + 31 * DAY)).found).toMatchObject([{ code: 'unsigned-altered' }])
    expect((await watcher.run(END + 90 * DAY)).found).toMatchObject([{ code: 'unsigned-altered' }])
  })
})

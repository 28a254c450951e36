import { beforeEach, describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import type { Finding } from '../../src/verify/finding.js'
import type { Trust } from '../../src/verify/trust.js'
import { eventDigest } from '../../src/event/digest.js'
import type { AuditEvent } from '../../src/event/event.js'
import { LOG, MemoryTrail, MemoryWriter, type StoredRow, verified } from './memory-trail.js'

// Rows that were retired, or are said to be: what `rows-from` of a trust file makes of them.

const OPERATOR = generateNoteKey(`${LOG}/enrolment`)
const TRUST: Partial<Trust> = { origin: LOG, enrolment: [OPERATOR.signer.key], unsigned: 'none' }
const ROWS = 57

let trail: MemoryTrail
/** One of several writers, whose blocks interleave. */
let victim: MemoryWriter

beforeEach(() => {
  trail = new MemoryTrail()
  victim = new MemoryWriter(trail, OPERATOR.signer)
  const writers = [new MemoryWriter(trail, OPERATOR.signer), victim, new MemoryWriter(trail, OPERATOR.signer)]
  for (const size of [3, 1, 5, 2, 8]) for (const writer of writers) writer.write(size)
})

async function findings(trust: Partial<Trust> = TRUST): Promise<readonly Finding[]> {
  return (await verified(trail, trust)).found
}

const row = (block: number, index: number): StoredRow => trail.rowAt(victim.id, block, index)

describe('a month of rows removed', () => {
  test('that the trust file does not know of', async () => {
    const cut = row(3, 2).event.auditId
    trail.rows = trail.rows.filter(({ event }) => event.auditId >= cut)
    const codes = new Set((await findings()).map(({ code }) => code))
    expect(codes).toEqual(new Set(['row-missing']))
  })

  test('that it does: what is left of a block that was cut through is not proven, and said so', async () => {
    const cut = row(3, 2).event.auditId
    trail.rows = trail.rows.filter(({ event }) => event.auditId >= cut)
    const { found, rows } = await verified(trail, { ...TRUST, rowsFrom: cut })
    expect(found).toEqual([])
    expect(rows.partly).toBe(3)
    expect(rows.proven + rows.partly + rows.retired).toBe(ROWS)
    const { event } = row(3, 4)
    row(3, 4).event = { ...event, notes: 'other' }
    expect((await verified(trail, { ...TRUST, rowsFrom: cut })).found).toMatchObject([
      { code: 'row-changed' },
    ])
  })

  test('and rows of the block that was cut through with it: those after one that is there, and the last', async () => {
    const cut = row(3, 2).event.auditId
    trail.rows = trail.rows.filter(({ event }) => event.auditId >= cut)
    const whole = trail.rows
    const without = async (...indexes: number[]): Promise<unknown> => {
      const gone = new Set(indexes.map((index) => row(3, index)))
      trail.rows = trail.rows.filter((candidate) => !gone.has(candidate))
      const { found, rows } = await verified(trail, { ...TRUST, rowsFrom: cut })
      trail.rows = whole
      expect(found).toMatchObject(found.length === 0 ? [] : [{ code: 'row-missing', block: 3 }])
      return found[0]?.message ?? rows.partly
    }
    expect(await without(3)).toBe('at least 1 of its 5 rows is missing, from index 3 on')
    expect(await without(3, 4)).toBe('at least 2 of its 5 rows are missing, from index 3 on')
    expect(await without(4)).toBe('at least 1 of its 5 rows is missing, from index 4 on')
    expect(await without(2, 3, 4)).toBe('at least 1 of its 5 rows is missing, from index 4 on')
    // Where the retired ones end nobody can tell: these may be among them.
    expect(await without(2, 3)).toBe(1)
  })
})

describe('rows that the trust file takes for retired, and that are there', () => {
  const later = (): Partial<Trust> => ({ ...TRUST, rowsFrom: row(4, 0).event.auditId })

  test('are verified like any other', async () => {
    const { rowsFrom = 0n } = later()
    const below = trail.rows.filter(({ event }) => event.auditId < rowsFrom).length
    const { found, rows } = await verified(trail, later())
    expect([found, rows]).toEqual([[], { proven: ROWS, unsigned: 0, partly: 0, retired: 0, kept: below }])
    const target = row(3, 2)
    target.event = { ...target.event, notes: 'other' }
    target.digest = eventDigest(target.event)
    expect(await findings(later())).toMatchObject([{ code: 'block-root', chain: victim.id, block: 3 }])
  })

  test('are what is left of a block', async () => {
    const { rowsFrom = 0n } = later()
    const target = row(3, 2)
    trail.rows = trail.rows.filter((candidate) => candidate.event.auditId >= rowsFrom || candidate === target)
    const { found, rows } = await verified(trail, later())
    expect([found, rows.partly, rows.kept]).toEqual([[], 1, 1])
    expect(rows.proven + rows.partly + rows.retired).toBe(ROWS)
    target.event = { ...target.event, notes: 'other' }
    expect(await findings(later())).toMatchObject([{ code: 'row-changed', chain: victim.id, block: 3 }])
  })

  test.each<[string, (event: AuditEvent) => AuditEvent]>([
    ['an old id', ({ auditId, ...event }) => ({ ...event, auditId: auditId - 1n })],
    ['a negative id', (event) => ({ ...event, auditId: -5n })],
  ])('are forged, with %s', async (_, aged) => {
    const event = aged(row(1, 0).event)
    const forged = { event, digest: eventDigest(event) }
    const { auditId } = event
    trail.insert({ ...forged, chain: null, block: null, index: null })
    expect(await findings(later())).toMatchObject([{ code: 'row-unsigned', auditId }])
    const { found, rows } = await verified(trail, { ...later(), unsigned: 'any' })
    expect([found, rows.unsigned]).toEqual([[], 1])
    trail.rows.pop()
    trail.insert({ ...forged, chain: victim.id, block: 1, index: 0 })
    expect(await findings(later())).toMatchObject([{ code: 'row-without-block', auditId }])
  })
})

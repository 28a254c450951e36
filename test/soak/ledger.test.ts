import { describe, expect, test } from 'vitest'
import { type JournalLine, parseJournal } from '../../soak/journal.js'
import { Ledger } from '../../soak/ledger.js'
import { lossList, textReport } from '../../soak/report.js'
import type { StoredRow } from '../../soak/trail.js'
import { isGood, judgeAll } from '../../soak/verdict.js'

/** An event and what its writer said of it; its audit id is `a<n>`. */
const emit = (n: number, mode: 'strict' | 'async', outcome = 'ok'): JournalLine => ({
  what: 'emit',
  n,
  mode,
  outcome,
})
const accepted = (n: number): JournalLine => ({ what: 'accepted', n, auditId: `a${n}` })
const granted = (n: number): JournalLine => ({ what: 'granted', n, auditId: `a${n}` })
const refused = (n: number, row: string): JournalLine => ({
  what: 'refused',
  n,
  auditId: `a${n}`,
  row,
  code: 'AUDIT_X',
})
const onDisk = (n: number): JournalLine => ({ what: 'on-disk', auditId: `a${n}` })
const fate = (n: number, fate: string): JournalLine => ({ what: 'fate', auditId: `a${n}`, fate })
const closed: JournalLine = { what: 'closed' }
const row = (n: number, outcome = 'ok'): StoredRow => ({ n, auditId: `a${n}`, outcome })

function judged(
  lives: readonly (readonly JournalLine[])[],
  rows: readonly StoredRow[] = [],
  withheld: readonly string[] = [],
  findings: readonly string[] = [],
) {
  const ledger = new Ledger()
  for (const [i, lines] of lives.entries()) ledger.read(i + 1, lines)
  ledger.compare({ rows, withheld })
  const judgement = judgeAll(ledger, 1, findings)
  const { kills: _, ...numbers } = judgement.verdict
  return {
    ...judgement,
    numbers,
    good: isGood(judgement.verdict),
    why: [...judgement.faults, ...judgement.losses].map(({ why }) => why),
  }
}

const ALL_IS_WELL = { acked_missing: 0, duplicates: 0, unaccounted: 0, findings: 0 }

test('what the verifier finds is a fault, though the ledger has none', () => {
  const lines = [emit(1, 'strict'), granted(1)]
  const { numbers, good, why } = judged([lines], [row(1)], [], ['{"code":"row-missing"}'])
  expect(numbers).toMatchObject({ ...ALL_IS_WELL, findings: 1 })
  expect(good).toBe(false)
  expect(why).toEqual(['verify finds {"code":"row-missing"}'])
})

describe('the ledger finds nothing wrong with', () => {
  test('what is stored, acknowledged or not', () => {
    const lines = [
      emit(1, 'strict'),
      granted(1),
      emit(2, 'async'),
      accepted(2),
      onDisk(2),
      emit(3, 'async'),
      emit(4, 'strict'),
    ]
    const { numbers, good } = judged([lines], [row(1), row(2), row(3), row(4)])
    expect(numbers).toEqual({ emitted: 4, acked: 2, stored: 4, counted_lost: 0, ...ALL_IS_WELL })
    expect(good).toBe(true)
  })

  test('what a killed writer had not on disk, or had not answered, and says which it is', () => {
    const lines = [emit(1, 'async'), accepted(1), onDisk(1), emit(2, 'async'), accepted(2), emit(3, 'strict')]
    const judgement = judged([lines], [row(1)])
    expect(judgement.why).toEqual(['killed-before-on-disk', 'killed-before-answer'])
    expect(judgement.numbers).toEqual({ emitted: 3, acked: 1, stored: 1, counted_lost: 2, ...ALL_IS_WELL })
    expect(textReport(judgement)).toContain('1 killed-before-on-disk')
    expect(lossList(judgement).split('\n')[0]).toBe(
      '{"why":"killed-before-on-disk","execution_id":2,"audit_id":"a2","mode":"async","outcome":"ok","writer":1}',
    )
  })

  test('secrets that were withheld', () => {
    const lines = [
      emit(1, 'strict'),
      refused(1, 'not-stored'),
      emit(2, 'strict'),
      refused(2, 'unknown'),
      closed,
    ]
    expect(judged([lines]).numbers).toMatchObject({ counted_lost: 2, ...ALL_IS_WELL })
    const found = [emit(1, 'strict'), refused(1, 'unknown'), fate(1, 'stored'), closed]
    expect(judged([found], [row(1)], ['a1']).numbers).toMatchObject({ stored: 1, ...ALL_IS_WELL })
  })

  test('denials that were stored after their callers were refused, or whose writer was killed', () => {
    const denial = [emit(1, 'strict', 'no_pubkey'), refused(1, 'not-stored')]
    expect(judged([[...denial, closed]], [row(1, 'no_pubkey')]).good).toBe(true)
    expect(judged([denial]).why).toEqual(['killed-after-refusal'])
  })

  test('what a later writer stored', () => {
    const first = [emit(1, 'async'), accepted(1), onDisk(1)]
    expect(judged([first, [fate(1, 'stored'), closed]], [row(1)]).numbers).toMatchObject({
      acked: 1,
      stored: 1,
    })
  })
})

describe('the ledger counts as acked_missing what is not there although', () => {
  test.each([
    ['a strict caller got a receipt', [emit(1, 'strict'), granted(1)]],
    ['it was on disk', [emit(1, 'async'), accepted(1), onDisk(1)]],
    ['it was on disk, and then given up', [emit(1, 'async'), accepted(1), onDisk(1), fate(1, 'dropped')]],
    ['it was reported as stored', [emit(1, 'async'), accepted(1), fate(1, 'stored')]],
  ])('%s', (_, lines) => {
    const { numbers, good } = judged([lines])
    expect(numbers).toMatchObject({ acked: 1, acked_missing: 1, unaccounted: 0, counted_lost: 0 })
    expect(good).toBe(false)
  })

  test('the receipt of its caller has the audit id of another row', () => {
    const lines: JournalLine[] = [emit(1, 'strict'), { what: 'granted', n: 1, auditId: 'other' }]
    expect(judged([lines], [row(1)]).numbers).toMatchObject({ acked_missing: 1 })
  })
})

test('the ledger counts rows beyond the first as duplicates', () => {
  const { numbers, good } = judged([[emit(1, 'strict'), granted(1)]], [row(1), row(1), row(1)])
  expect(numbers).toMatchObject({ stored: 1, duplicates: 2, acked_missing: 0, unaccounted: 0 })
  expect(good).toBe(false)
})

describe('the ledger counts as unaccounted', () => {
  const async2 = [emit(1, 'async'), accepted(1), emit(2, 'async'), accepted(2)]

  test.each<[string, JournalLine[], StoredRow[], string]>([
    ['what is lost though younger events were on disk', [...async2, onDisk(2)], [row(2)], 'younger'],
    ['what is lost though younger events are stored', async2, [row(2)], 'younger'],
    ['what a spool should have kept', [emit(1, 'async'), accepted(1), fate(1, 'dropped')], [], 'dropped'],
    [
      'what a writer that ended in order does not have',
      [emit(1, 'async'), accepted(1), closed],
      [],
      'in order',
    ],
    ['a strict record without an answer', [emit(1, 'strict'), closed], [], 'in order'],
    [
      'a denial that vanished',
      [emit(1, 'strict', 'no_pubkey'), refused(1, 'not-stored'), fate(1, 'dropped')],
      [],
      'a denial was dropped',
    ],
    [
      'the same when that was known before the caller was refused',
      [emit(1, 'strict', 'no_pubkey'), fate(1, 'dropped'), refused(1, 'not-stored')],
      [],
      'a denial was dropped',
    ],
    [
      'a denial that is lost though younger events were on disk',
      [emit(1, 'strict', 'no_pubkey'), refused(1, 'not-stored'), emit(2, 'async'), accepted(2), onDisk(2)],
      [row(2)],
      'younger',
    ],
    [
      'a row that was reported as not stored',
      [emit(1, 'strict'), refused(1, 'not-stored')],
      [row(1)],
      'not stored',
    ],
    ['a row of something else', [emit(1, 'strict'), granted(1)], [row(1, 'no_pubkey')], 'another outcome'],
    ['a row that no writer recorded', [], [row(9)], 'no writer recorded'],
    [
      'a secret that was withheld without a row',
      [emit(1, 'strict'), refused(1, 'unknown'), fate(1, 'stored'), closed],
      [row(1)],
      'no withheld row',
    ],
    [
      'the same when younger events were on disk',
      [emit(1, 'strict'), refused(1, 'unknown'), fate(1, 'stored'), emit(2, 'async'), accepted(2), onDisk(2)],
      [row(1), row(2)],
      'no withheld row',
    ],
  ])('%s', (_, lines, rows, why) => {
    const judgement = judged([lines], rows)
    expect(judgement.numbers).toMatchObject({ unaccounted: 1, acked_missing: 0 })
    expect(judgement.good).toBe(false)
    expect(textReport(judgement)).toMatch(new RegExp(`^wrong: .*${why}`, 'm'))
  })

  test('a row that says that a secret was withheld, which was not', () => {
    const { numbers } = judged([[emit(1, 'strict'), granted(1)]], [row(1)], ['a1'])
    expect(numbers).toMatchObject({ unaccounted: 1 })
  })
})

test('a line that a writer did not finish was not written', () => {
  const whole = `${JSON.stringify(emit(1, 'async'))}\n`
  expect(parseJournal(`${whole}{"what":"gran`)).toEqual([emit(1, 'async')])
  expect(parseJournal('')).toEqual([])
})

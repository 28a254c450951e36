import { describe, expect, test } from 'vitest'
import type { SenderLine, SentEvent } from '../../soak/gateway/sent.js'
import { type Held, SentLedger } from '../../soak/gateway/sent-ledger.js'
import type { StoredRow } from '../../soak/trail.js'
import { isGood } from '../../soak/verdict.js'

/** Event `n`, of span `s<n>`, with an id of its own when it is even. */
const event = (n: number, outcome: string | undefined = 'ok'): SentEvent => ({
  n,
  outcome,
  auditId: n % 2 === 0 ? `a${n}` : undefined,
  spanId: `s${n}`,
})
const incomplete = (n: number): SentEvent => ({ ...event(n), outcome: undefined, auditId: undefined })
/** Request `n` has event `n`. */
const sending = (...events: readonly SentEvent[]): SenderLine => ({
  what: 'sending',
  request: events[0]?.n ?? 0,
  events,
})
const acknowledged = (request: number): SenderLine => ({ what: 'acknowledged', request })
const closed: SenderLine = { what: 'closed' }
const row = (n: number, changed: Partial<StoredRow> = {}): StoredRow => ({
  n,
  auditId: `a${n}`,
  outcome: 'ok',
  ...changed,
})

function judged(
  lives: readonly (readonly SenderLine[])[],
  held: Partial<Held> = {},
  findings: readonly string[] = [],
) {
  const ledger = new SentLedger()
  for (const [i, lines] of lives.entries()) ledger.read(i + 1, lines)
  const { verdict, report, losses } = ledger.judge(
    { rows: [], quarantined: [], gaps: 0, ...held },
    1,
    findings,
  )
  return { ...verdict, good: isGood(verdict), report, losses }
}

describe('what was sent', () => {
  test('and acknowledged is there once: all is well', () => {
    expect(
      judged(
        [[sending(event(1), event(2)), acknowledged(1), sending(incomplete(3)), acknowledged(3), closed]],
        {
          rows: [row(1, { auditId: 'derived' }), row(2)],
          quarantined: ['s3'],
        },
      ),
    ).toMatchObject({ emitted: 3, acked: 3, stored: 3, counted_lost: 0, good: true, losses: '' })
  })

  test('and acknowledged, and is not there, is missing', () => {
    const verdict = judged([[sending(event(1)), acknowledged(1)]])
    expect(verdict).toMatchObject({ acked: 1, acked_missing: 1, unaccounted: 0, good: false })
    expect(verdict.report).toContain('its sender got a 200')
  })

  test('and kept aside, and is not there, is missing', () => {
    expect(judged([[sending(incomplete(1)), acknowledged(1)]])).toMatchObject({ acked_missing: 1 })
  })

  test('by a sender that was killed before the answer may be there, or not', () => {
    const lives = [[sending(event(1)), sending(event(2))]]
    const verdict = judged(lives, { rows: [row(2)] })
    expect(verdict).toMatchObject({ stored: 1, counted_lost: 1, acked: 0, good: true })
    expect(verdict.losses).toContain('killed-before-answer')
  })

  test('by a sender that ended in order may not be missing', () => {
    expect(judged([[sending(event(1)), closed]])).toMatchObject({ unaccounted: 1, good: false })
  })

  test.each([
    ['twice', { rows: [row(2), row(2, { auditId: 'other' })] }, { duplicates: 1 }],
    ['under another id', { rows: [row(2, { auditId: 'other' })] }, { unaccounted: 1 }],
    ['with another outcome', { rows: [row(2, { outcome: 'lost' })] }, { unaccounted: 1 }],
    ['and in quarantine', { rows: [row(2)], quarantined: ['s2'] }, { unaccounted: 1 }],
    ['beside one that nobody sent', { rows: [row(2), row(9)] }, { unaccounted: 1 }],
    ['beside a gap row', { rows: [row(2)], gaps: 1 }, { unaccounted: 1 }],
  ])('and is there %s is a fault', (_, held, counts) => {
    expect(judged([[sending(event(2)), acknowledged(2)]], held)).toMatchObject({ ...counts, good: false })
  })

  test('and kept aside twice is a duplicate', () => {
    const lives = [[sending(incomplete(1)), acknowledged(1)]]
    expect(judged(lives, { quarantined: ['s1', 's1'] })).toMatchObject({ duplicates: 1, good: false })
  })

  test('and answered by anything but 200 and 503 is a fault', () => {
    const answered: SenderLine = { what: 'answered', request: 1, status: 500, by: 'http://gateway' }
    const verdict = judged([[sending(event(1)), answered, acknowledged(1)]], { rows: [row(1)] })
    expect(verdict).toMatchObject({ unaccounted: 1, good: false })
    expect(verdict.report).toContain('http://gateway answered a request by 500')
  })

  test('what the verifier finds is a fault', () => {
    expect(judged([], {}, ['{"type":"finding"}'])).toMatchObject({ findings: 1, good: false })
  })
})

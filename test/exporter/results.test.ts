import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { taken } from '../../src/host/globals.js'
import { AuditError } from '../../src/errors.js'
import { rekeyEvent } from '../../src/event/event.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { RecordingAuditSink, type ScriptedWrite } from '../../src/sinks/recording.js'
import type { AuditBatch, WriteResult } from '../../src/contract/sink.js'
import { anEvent, batchOf } from '../support/events.js'
import { FAILED, LASTING, REFUSED, UNCONFIRMED, UNKNOWN } from '../support/faults.js'
import { Ledger } from '../support/ledger.js'
import { recordedRows } from '../support/trail.js'
import { WatchedSink } from '../support/watched-sink.js'

let sink: RecordingAuditSink
let watched: WatchedSink
let exporter: DurableAuditExporter
let ledger: Ledger
/** What the coming writes answer, one after the other; when there is nothing, they store. */
let answers: (WriteResult | ScriptedWrite | 'store')[]

beforeEach(() => {
  answers = []
  sink = new RecordingAuditSink((batch) => {
    const answer = answers.shift()
    if (typeof answer === 'function') return answer(batch)
    return answer === 'store' ? undefined : answer
  })
  watched = new WatchedSink(sink)
  exporter = new DurableAuditExporter({ sink: watched, lingerMs: 1 })
  ledger = new Ledger(exporter)
})

afterEach(async () => {
  await exporter.close(60_000)
  ledger.check(recordedRows(sink))
  expect(watched.breaches).toEqual([])
})

const statuses = (): (string | undefined)[] => watched.writes.map(({ result }) => result?.status)

describe('unknown', () => {
  test.each([
    ['that was not stored: the same bytes again, and they are committed', () => UNKNOWN, 'committed'],
    [
      'that was stored: the same bytes again find themselves',
      (batch: AuditBatch) => {
        sink.store(batch)
        return UNKNOWN
      },
      'conflict',
    ],
  ] as const)('%s', async (_, first, second) => {
    answers = [first]
    const events = [ledger.strict(), ledger.async()]
    expect(await events[0]?.answer).toMatchObject({ auditId: events[0]?.event.auditId })
    expect(statuses()).toEqual(['unknown', second])
    expect(await Promise.all(events.map(({ fate }) => fate))).toEqual(['stored', 'stored'])
  })

  test('nothing overtakes a batch in doubt, and nothing joins it', async () => {
    const others: ReturnType<typeof ledger.strict>[] = []
    const more: ScriptedWrite = () => {
      others.push(ledger.strict())
      return UNKNOWN
    }
    answers = [more, more, FAILED, LASTING, more]
    const { answer, event } = ledger.strict()
    await answer
    await Promise.all(others.map((other) => other.answer))
    expect(watched.sizes).toEqual([1, 1, 1, 1, 1, 1, 3])
    for (const { batch } of watched.writes.slice(0, 6)) {
      expect(batch.entries.map((entry) => entry.event.auditId)).toEqual([event.auditId])
    }
  })

  test('a failure after it decides nothing: neither strict callers nor events are given up', async () => {
    answers = [UNKNOWN, LASTING, LASTING]
    const { answer } = ledger.strict()
    expect(await answer).toHaveProperty('committedAt')
  })

  test('unconfirmed: the callers are refused at once, and the row is counted when it is found', async () => {
    answers = [
      (batch) => {
        sink.store(batch)
        return UNCONFIRMED
      },
    ]
    const { answer, fate } = ledger.strict()
    expect(await answer).toMatchObject({ code: 'AUDIT_UNCONFIRMED', row: 'unknown' })
    expect(await fate).toBe('stored')
  })

  test('a sink that throws has broken its contract, and may have stored all the same', async () => {
    answers = [
      (batch) => {
        sink.store(batch)
        throw new Error('out of spirits')
      },
    ]
    expect(await ledger.strict().answer).toHaveProperty('committedAt')
    expect(sink.batches).toHaveLength(2)
  })
})

describe('conflict', () => {
  test('with the same event: it is stored already', async () => {
    const event = anEvent()
    sink.store(batchOf(event))
    expect(await ledger.submit(event, 'strict', 60_000).answer).toMatchObject({ auditId: event.auditId })
    expect(exporter.metrics.total('records.rekeyed')).toBe(0)
  })

  test('with another event: it gets another id, always the same one', async () => {
    const stranger = anEvent({ credential: 'stranger', executionId: undefined })
    sink.store(batchOf(stranger))
    const mine = anEvent({}, { auditId: stranger.auditId })
    const { answer } = ledger.submit(mine, 'strict', 60_000)
    expect(await answer).toMatchObject({ auditId: rekeyEvent(mine).auditId })
    expect(await ledgerOfReplay(mine)).toMatchObject({ auditId: rekeyEvent(mine).auditId })
    expect(sink.events.map(({ auditId }) => auditId)).toEqual(
      [stranger.auditId, rekeyEvent(mine).auditId].sort((a, b) => (a < b ? -1 : 1)),
    )
    expect(exporter.metrics.total('records.rekeyed')).toBe(1)
    ledger.expectStranger(stranger)
  })

  /** The same event again, from another process: the same row. */
  async function ledgerOfReplay(event: ReturnType<typeof anEvent>) {
    const other = new DurableAuditExporter({ sink })
    const { answer } = new Ledger(other).submit(event, 'strict', 60_000)
    return answer
  }

  test('with a row that has no digest: nobody knows what it is, so another id', async () => {
    const mine = anEvent()
    answers = [() => ({ status: 'conflict', held: new Map([[mine.auditId, null]]) })]
    expect(await ledger.submit(mine, 'strict', 60_000).answer).toMatchObject({
      auditId: rekeyEvent(mine).auditId,
    })
  })

  test('only those at fault are touched; their mates are written with the same bytes', async () => {
    const stranger = anEvent({ credential: 'stranger' })
    const twin = anEvent()
    sink.store(batchOf(stranger, twin))
    const mine = anEvent({}, { auditId: stranger.auditId })
    const all = [mine, twin, anEvent(), anEvent()].map((event) => ledger.submit(event, 'strict', 60_000))
    await Promise.all(all.map(({ answer }) => answer))
    expect(watched.sizes).toEqual([4, 3])
    expect(exporter.metrics.total('records.rekeyed')).toBe(1)
    ledger.expectStranger(stranger)
  })

  test('an id made by re-keying that a batch mate has already is never in one batch with it', async () => {
    const stranger = anEvent({ credential: 'stranger' })
    sink.store(batchOf(stranger))
    const mine = anEvent({}, { auditId: stranger.auditId })
    const mate = anEvent({}, { auditId: rekeyEvent(mine).auditId })
    ledger.expectStranger(stranger)
    const all = [mine, mate].map((event) => ledger.submit(event, 'strict', 60_000))
    await Promise.all(all.map(({ answer }) => answer))
    expect(sink.events).toHaveLength(3)
  })

  test('twice the same event in one queue: one row', async () => {
    const event = anEvent()
    const twice = [ledger.submit(event, 'strict', 60_000), ledger.submit(event, 'strict', 60_000)]
    await Promise.all(twice.map(({ answer }) => answer))
    expect(sink.events).toEqual([event])
  })

  test('two events with one id in one queue: two rows', async () => {
    const first = anEvent()
    const second = anEvent({}, { auditId: first.auditId })
    const both = [ledger.submit(first, 'strict', 60_000), ledger.submit(second, 'async')]
    expect(await Promise.all(both.map(({ fate }) => fate))).toEqual(['stored', 'stored'])
    expect(sink.events).toHaveLength(2)
  })

  test.each([
    ['over no id at all', new Map<bigint, Buffer>()],
    ['over ids that are not ours', new Map([[1n, Buffer.alloc(32)]])],
  ])('%s: somebody else’s constraint, so the row at fault is refused', async (_, held) => {
    const script: ScriptedWrite = ({ entries }) =>
      entries.some(({ event }) => event.credential === 'bad') ? { status: 'conflict', held } : undefined
    answers = Array.from({ length: 10 }, () => script)
    const bad = ledger.strict({ credential: 'bad' })
    const mates = [ledger.strict(), ledger.strict(), ledger.strict()]
    expect(await bad.answer).toMatchObject({ code: 'AUDIT_REJECTED', row: 'not-stored' })
    for (const { answer } of mates) expect(await answer).toHaveProperty('committedAt')
  })
})

describe('refused', () => {
  const refusing: ScriptedWrite = ({ entries }) =>
    entries.some(({ event }) => event.credential.startsWith('bad')) ? REFUSED : undefined

  test('that event alone fails; its batch mates are committed, in few steps', async () => {
    answers = Array.from({ length: 100 }, () => refusing)
    const mates = Array.from({ length: 40 }, () => ledger.strict())
    const bad = ledger.strict({ credential: 'bad' })
    mates.push(...Array.from({ length: 23 }, () => ledger.strict()))
    expect(await bad.answer).toMatchObject({
      code: 'AUDIT_REJECTED',
      row: 'not-stored',
      credential: 'bad',
      auditId: bad.event.auditId,
    })
    for (const { answer } of mates) expect(await answer).toHaveProperty('committedAt')
    const writes = watched.writes.filter(({ batch }) =>
      batch.entries.some(({ event }) => event.operation !== 'audit_gap'),
    )
    expect(writes.length).toBeLessThanOrEqual(1 + 2 * Math.log2(64))
  })

  test('several at once, async among them', async () => {
    answers = Array.from({ length: 100 }, () => refusing)
    const bad = [ledger.strict({ credential: 'bad' }), ledger.async({ credential: 'bad' })]
    const good = Array.from({ length: 5 }, () => ledger.async())
    bad.push(ledger.async({ credential: 'bad-as-well' }))
    expect(await Promise.all(bad.map(({ fate }) => fate))).toEqual(['refused', 'refused', 'refused'])
    expect(new Set(await Promise.all(good.map(({ fate }) => fate)))).toEqual(new Set(['stored']))
  })

  test('the search goes on where it was when the database is away for a while', async () => {
    answers = [REFUSED, FAILED, REFUSED, UNKNOWN, refusing, refusing, refusing, refusing, refusing, refusing]
    const bad = ledger.strict({ credential: 'bad' })
    const mates = Array.from({ length: 7 }, () => ledger.strict())
    expect(await bad.answer).toMatchObject({ code: 'AUDIT_REJECTED' })
    for (const { answer } of mates) expect(await answer).toHaveProperty('committedAt')
  })

  test('is not the reason of what happens to others later', async () => {
    let end: () => void = () => {}
    const later = new Promise<undefined>((resolve) => (end = () => resolve(undefined)))
    answers = [REFUSED, () => later]
    await ledger.strict().answer
    const late = ledger.strict({}, 20)
    const error = await late.answer
    end()
    expect(error).toMatchObject({ code: 'AUDIT_TIMEOUT' })
    expect((error as AuditError).cause).toBeUndefined()
    await late.fate
  })
})

describe('failed', () => {
  test('all wait again, in order, and are written when the database is back', async () => {
    answers = [FAILED, FAILED]
    const events = [ledger.strict(), ledger.async(), ledger.strict()]
    await Promise.all(events.map(({ fate }) => fate))
    expect(watched.sizes).toEqual([3, 3, 3])
  })

  test('lasting: strict callers are told at once and why; a denial goes on', async () => {
    answers = [LASTING]
    const [release, denial, other] = [
      ledger.strict(),
      ledger.strict({ outcome: 'wrong_region' }),
      ledger.async(),
    ]
    for (const { answer } of [release, denial]) {
      const error = await answer
      expect(error).toMatchObject({ code: 'AUDIT_UNAVAILABLE', row: 'not-stored' })
      expect((error as AuditError).message).toContain('permission denied')
      expect((error as AuditError).cause).toMatchObject({ message: 'SQLSTATE 42501' })
    }
    expect(await Promise.all([release.fate, denial.fate, other.fate])).toEqual([
      'dropped',
      'stored',
      'stored',
    ])
  })

  test('is tried again after pauses that grow, and begin short again after a success', async () => {
    const pauses = vi.spyOn(taken, 'setTimeout')
    try {
      answers = [FAILED, FAILED, FAILED, FAILED, 'store', LASTING, REFUSED]
      await ledger.async().fate
      await ledger.async().fate
      const delays = pauses.mock.calls.map(([, ms]) => ms ?? 0).filter((ms) => ms > 2)
      const [lowest, highest] = [25, 50]
      for (const [attempt, delay] of delays.slice(0, 4).entries()) {
        expect(delay).toBeGreaterThanOrEqual(lowest * 2 ** attempt)
        expect(delay).toBeLessThanOrEqual(highest * 2 ** attempt)
      }
      expect(delays).toHaveLength(5)
      expect(delays[4]).toBeLessThanOrEqual(highest)
    } finally {
      pauses.mockRestore()
    }
  })
})

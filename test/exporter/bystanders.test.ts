import { DiagLogLevel, diag } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DurableAuditExporter, type SpanExportResult } from '../../src/exporter/exporter.js'
import { spanEventTime, toSpanEvent } from '../../src/otel/span-event.js'
import type { EndedSpan } from '../../src/otel/read-span.js'
import { Ticket } from '../../src/contract/ticket.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { anEvent } from '../support/events.js'
import { FAILED, REFUSED, UNKNOWN } from '../support/faults.js'
import { Ledger } from '../support/ledger.js'
import { recordedRows } from '../support/trail.js'

// The user's own code that is called in the middle of a record: it may throw, and nothing comes of it.

let sink: RecordingAuditSink
let exporter: DurableAuditExporter
let answers: ('store' | typeof REFUSED)[]
const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)

beforeEach(() => {
  answers = []
  sink = new RecordingAuditSink(({ entries }) => {
    if (entries.some(({ event }) => event.credential === 'bad')) return REFUSED
    const answer = answers.shift()
    return answer === 'store' ? undefined : answer
  })
  exporter = new DurableAuditExporter({ sink, lingerMs: 1 })
  unhandled.length = 0
  process.on('unhandledRejection', note)
})

afterEach(async () => {
  await exporter.close(60_000)
  await new Promise(setImmediate)
  process.off('unhandledRejection', note)
  diag.disable()
  expect(unhandled).toEqual([])
})

const boom = (): never => {
  throw new Error('boom')
}

test('a listener that throws keeps nothing from the others', async () => {
  const told: string[] = []
  exporter.onSettled(boom)
  exporter.onSettled((_, fate) => told.push(fate))
  const ledger = new Ledger(exporter)
  await Promise.all([ledger.strict().answer, ledger.strict().answer])
  expect(told).toEqual(['stored', 'stored'])
  ledger.check(recordedRows(sink))
})

test('a listener that was taken off is not told any more', async () => {
  const told: string[] = []
  const off = exporter.onSettled((_, fate) => told.push(fate))
  const ledger = new Ledger(exporter)
  await ledger.strict().answer
  off()
  await ledger.strict().answer
  expect(told).toEqual(['stored'])
})

test('a logger that throws changes nothing', async () => {
  diag.setLogger({ error: boom, warn: boom, info: boom, debug: boom, verbose: boom }, DiagLogLevel.ERROR)
  const ledger = new Ledger(exporter)
  answers = [FAILED, UNKNOWN, 'store']
  const all = [ledger.strict(), ledger.async({ credential: 'bad' }), ledger.strict()]
  expect(await Promise.all(all.map(({ fate }) => fate))).toEqual(['stored', 'refused', 'stored'])
  ledger.check(recordedRows(sink))
})

test('an answer that throws keeps nothing from the others', async () => {
  const ticket = new Ticket('strict', 60_000, 0)
  const event = anEvent()
  ticket.seal(event)
  ticket.onAnswer(boom)
  const bad = new Ticket('strict', 60_000, 0)
  bad.seal(anEvent({ credential: 'bad' }))
  bad.onAnswer(boom)
  exporter.submit(ticket)
  exporter.submit(bad)
  await exporter.forceFlush()
  expect(sink.events).toContainEqual(event)
  expect(exporter.stats()).toMatchObject({ pending: 0, failedStrict: 1 })
})

describe('as a SpanExporter', () => {
  const spanOf = (...events: ReturnType<typeof anEvent>[]): EndedSpan => ({
    spanContext: () => ({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 }),
    events: events.map((event) => ({
      name: 'secret.access',
      time: spanEventTime(event) ?? [0, 0],
      attributes: toSpanEvent(event, { serviceName: null, serviceInstanceId: null }),
    })),
    droppedEventsCount: 0,
  })
  const exported = (...spans: EndedSpan[]): Promise<SpanExportResult> =>
    new Promise((resolve) => exporter.export(spans, resolve))

  test('reports success when all events of all spans are stored', async () => {
    const events = [anEvent(), anEvent(), anEvent()]
    const result = await exported(spanOf(...events.slice(0, 2)), spanOf(), spanOf(...events.slice(2)))
    expect(result).toEqual({ code: 0 })
    expect(sink.events.map(({ auditId }) => auditId)).toEqual(events.map(({ auditId }) => auditId))
  })

  test('reports success for spans without events', async () => {
    expect(await exported(spanOf())).toEqual({ code: 0 })
    expect(await exported()).toEqual({ code: 0 })
  })

  test('reports a failure when one is lost, and says how many', async () => {
    const { code, error } = await exported(spanOf(anEvent(), anEvent({ credential: 'bad' })))
    expect(code).toBe(1)
    expect(error).toMatchObject({ name: 'AuditError' })
    expect(error?.message).toContain('1 of 2')
  })

  test('stores an event that came twice once', async () => {
    const event = anEvent()
    expect(await Promise.all([exported(spanOf(event)), exported(spanOf(event))])).toEqual([
      { code: 0 },
      { code: 0 },
    ])
    expect(sink.events).toHaveLength(1)
  })

  test('reports a failure after it was closed', async () => {
    await exporter.close(60_000)
    expect(await exported(spanOf(anEvent()))).toMatchObject({ code: 1 })
  })

  test('a callback that throws keeps nothing from the others', async () => {
    const ledger = new Ledger(exporter)
    const event = anEvent()
    exporter.export([spanOf(event)], boom)
    const { answer } = ledger.strict()
    expect(await answer).toHaveProperty('committedAt')
    await exporter.forceFlush()
    expect(sink.events.map(({ auditId }) => auditId)).toContain(event.auditId)
    expect(() => exporter.export([], boom)).not.toThrow()
  })
})

import { describe, expect, test } from 'vitest'
import { Entry, type Phase } from '../../src/exporter/entry.js'
import { Lane } from '../../src/exporter/queue.js'
import { type AuditMode, Ticket } from '../../src/contract/ticket.js'
import { anEvent } from '../support/events.js'
import { UNKNOWN } from '../support/faults.js'

const PHASES: readonly Phase[] = ['waiting', 'sent', 'committed', 'spooled', 'settled']
/** How to come to a phase. */
const WAYS: Readonly<Record<Phase, readonly Phase[]>> = {
  waiting: [],
  sent: ['sent'],
  committed: ['sent', 'committed'],
  spooled: ['spooled'],
  settled: ['settled'],
}
const MOVES = [
  'waiting → sent',
  'waiting → spooled',
  'waiting → settled',
  'sent → waiting',
  'sent → committed',
  'sent → settled',
  'committed → settled',
]

function anEntry(mode: AuditMode = 'strict', way: readonly Phase[] = []): Entry {
  const ticket = new Ticket(mode, 1000, 0)
  ticket.seal(anEvent())
  const entry = new Entry(ticket)
  for (const phase of way) entry.to(phase)
  return entry
}

const FAULT = UNKNOWN.status === 'unknown' ? UNKNOWN.fault : undefined

describe('the phase of an event', () => {
  const all = PHASES.flatMap((from) => PHASES.map((to) => ({ from, to, name: `${from} → ${to}` })))

  test.each(all.filter(({ name }) => MOVES.includes(name)))('may go $name', ({ from, to }) => {
    const entry = anEntry('async', WAYS[from])
    entry.to(to)
    expect(entry.phase).toBe(to)
    expect(entry.isOver).toBe(to === 'settled' || to === 'spooled')
  })

  test.each(all.filter(({ name }) => !MOVES.includes(name)))('never goes $name', ({ from, to }) => {
    const entry = anEntry('async', WAYS[from])
    expect(() => entry.to(to)).toThrow(
      `a bug in otel-audit, please report it: an event went from ${from} to ${to}`,
    )
    expect(entry.phase).toBe(from)
  })
})

test('an event that waits in a lane goes nowhere', () => {
  const [entry, lane] = [anEntry(), new Lane()]
  lane.push(entry)
  expect(() => entry.to('sent')).toThrow('went on while it waited in a lane')
  expect(entry.phase).toBe('waiting')
})

describe('what changes about an event', () => {
  test('its lane, but not while it waits in one', () => {
    const [entry, lane] = [anEntry(), new Lane()]
    lane.push(entry)
    expect(() => entry.continueAsAsync()).toThrow('changed its lane while it waited in one')
    lane.remove(entry)
    entry.continueAsAsync()
    expect(entry.lane).toBe('async')
    expect(entry.ticket.mode).toBe('strict')
  })

  test('whether its caller was refused, but not once its row is committed', () => {
    const entry = anEntry('strict', WAYS.sent)
    entry.refuseCaller()
    expect(entry.callerRefused).toBe(true)
    expect(() => anEntry('strict', WAYS.committed).refuseCaller()).toThrow('although its row is committed')
  })

  test('whether it is in doubt, and its id, but only while it is sent', () => {
    if (FAULT === undefined) throw new Error('a fault is needed')
    const entry = anEntry('async', WAYS.sent)
    const { auditId } = entry.event
    entry.rekey()
    expect(entry.event).toMatchObject({ originalAuditId: auditId })
    entry.leaveInDoubt(FAULT)
    expect(entry.doubt).toBe(FAULT)
    expect(() => anEntry().leaveInDoubt(FAULT)).toThrow('not sent was left in doubt')
    expect(() => anEntry().rekey()).toThrow('not sent got another id')
  })

  test('nothing about its ticket any more', () => {
    const { ticket } = anEntry()
    expect(() => ticket.onAnswer(() => {})).toThrow('after it was submitted')
  })
})

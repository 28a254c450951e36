import { describe, expect, it, vi } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { eventDigest } from '../../src/event/digest.js'
import { buildEvent } from '../../src/event/event.js'
import { NoopPipeline } from '../../src/service/noop-pipeline.js'
import { Ticket } from '../../src/contract/ticket.js'
import { ACCESS } from '../service/recording.js'

const EVENT = buildEvent(ACCESS, { auditId: 1n, occurredAt: 1_714_567_890_123_456 })
const RECEIPT = {
  auditId: 1n,
  committedAt: 1_714_567_890_123_456,
  digest: Buffer.alloc(32),
  place: undefined,
}

describe('a ticket', () => {
  it('is claimed by the first pipeline that asks', () => {
    const [first, second] = [new NoopPipeline(), new NoopPipeline()]
    const ticket = new Ticket('async', 0, 0)
    expect(ticket.claimedBy).toBeUndefined()
    expect([ticket.claim(first), ticket.claim(second), ticket.claim(first)]).toEqual([true, false, true])
    expect(ticket.claimedBy).toBe(first)
  })

  it('has no event and no digest before it is sealed', () => {
    const ticket = new Ticket('strict', 1000, 0)
    expect(() => ticket.event).toThrow('has not been sealed')
    expect(() => ticket.digest).toThrow('has not been sealed')
    ticket.seal(EVENT)
    expect(ticket.event).toBe(EVENT)
    expect(ticket.digest).toEqual(eventDigest(EVENT))
  })

  it.each(['grant', 'deny'] as const)('is answered once, when the first answer is to %s', (first) => {
    const answer = vi.fn()
    const ticket = new Ticket('strict', 1000, 0)
    const error = new AuditError('AUDIT_UNAVAILABLE', 'away')
    ticket.onAnswer(answer)
    expect(ticket.isWaiting).toBe(true)
    if (first === 'grant') ticket.grant(RECEIPT)
    ticket.deny(error)
    ticket.grant(RECEIPT)
    expect(answer.mock.calls).toEqual([first === 'grant' ? [undefined, RECEIPT] : [error, undefined]])
    expect(ticket.isWaiting).toBe(false)
  })

  it('is sealed once: what was handed over does not change', () => {
    const ticket = new Ticket('async', 0, 0)
    ticket.seal(EVENT)
    expect(() => ticket.seal(EVENT)).toThrow('a ticket was sealed twice')
  })

  it('gets somebody to answer before it is submitted, or not at all', () => {
    const ticket = new Ticket('strict', 1000, 0)
    ticket.seal(EVENT)
    new NoopPipeline().submit(ticket)
    expect(() => ticket.onAnswer(() => {})).toThrow('after it was submitted')
  })

  it('of an async record has nobody to answer', () => {
    const ticket = new Ticket('async', 0, 0)
    expect(ticket.isWaiting).toBe(false)
    expect(() => ticket.grant(RECEIPT)).not.toThrow()
  })
})

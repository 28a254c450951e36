import { describe, expect, it } from 'vitest'
import type { BatchEntry, SetAside } from '../../src/contract/sink.js'
import type { Ticket } from '../../src/contract/ticket.js'
import type { AuditEvent } from '../../src/event/event.js'
import type { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { type Incoming, incomingOf, isIncoming } from '../../src/gateway/incoming.js'
import { Intake } from '../../src/gateway/intake.js'
import { readResource } from '../../src/gateway/otlp/protobuf.js'
import { ProtobufSlicer } from '../../src/gateway/otlp/slices.js'
import { ACCESS, auditSpan, protobufOf, text, tracesOf } from '../support/gateway/requests.js'

type OnFate = Parameters<DurableAuditExporter['takeIn']>[1]

interface Taken {
  readonly event: AuditEvent
  readonly onFate: OnFate
  readonly setAside: readonly SetAside[] | undefined
}

/** A pipeline whose fates the test decides. */
function pipeline() {
  const taken: Taken[] = []
  return {
    taken,
    takeIn(ticket: Ticket, onFate: OnFate, { setAside }: Pick<BatchEntry, 'alike' | 'setAside'> = {}): void {
      taken.push({ event: ticket.event, onFate, setAside })
    },
  }
}

function incoming(...spans: readonly object[]): Incoming[] {
  const slices = new ProtobufSlicer(1 << 20).push(protobufOf(tracesOf(spans)))
  return slices
    .flatMap((slice) => readResource(slice, 'traces'))
    .map((found) => {
      const read = incomingOf(found, { name: 'x', mayNameService: () => true }, Date.now())
      if (!isIncoming(read)) throw new Error(read.reason)
      return read
    })
}

const BOUNDS = { rows: 10, bytes: 1 << 20 }

describe('the same event while it is on its way', () => {
  it('joins, though the gateway says another time of it; both are told', async () => {
    const to = pipeline()
    const intake = new Intake(to, BOUNDS)
    const span = auditSpan()
    const first = intake.store(incoming(span), [], 1)
    await new Promise((resolve) => setTimeout(resolve, 2))
    const second = intake.store(incoming(span), [], 1)
    expect(to.taken).toHaveLength(1)
    expect(intake.held).toBe(1)
    to.taken[0]?.onFate('stored')
    expect(await Promise.all([first, second])).toEqual([{ is: 'stored' }, { is: 'stored' }])
    expect(intake.held).toBe(0)
  })

  it('does not join a different one that has its id', async () => {
    const to = pipeline()
    const intake = new Intake(to, BOUNDS)
    const id = text('secret_audit.audit_id', '5000000000000')
    const spans = ['a', 'b'].map((notes) =>
      auditSpan({ attributes: [...ACCESS, id, text('secret_audit.notes', notes)] }),
    )
    const both = intake.store(incoming(...spans), [], 1)
    expect(to.taken).toHaveLength(2)
    to.taken[0]?.onFate('stored')
    to.taken[1]?.onFate('dropped', 'it is closed')
    expect(await both).toEqual({ is: 'unavailable', why: 'it is closed' })
  })
})

describe('a request', () => {
  it('that is sent again joins what is held of it, also when there is no room for another one', async () => {
    const to = pipeline()
    const intake = new Intake(to, BOUNDS)
    const spans = Array.from({ length: 10 }, () => auditSpan())
    const first = intake.store(incoming(...spans), [], BOUNDS.bytes)
    const again = intake.store(incoming(...spans), [], BOUNDS.bytes)
    expect(await intake.store(incoming(auditSpan()), [], 1)).toMatchObject({ is: 'unavailable' })
    expect(to.taken).toHaveLength(10)
    for (const { onFate } of to.taken) onFate('stored')
    expect(await Promise.all([first, again])).toEqual([{ is: 'stored' }, { is: 'stored' }])
    expect(intake.held).toBe(0)
  })

  it('that finds no room is refused before its first event is taken', async () => {
    const to = pipeline()
    const intake = new Intake(to, BOUNDS)
    void intake.store(incoming(...Array.from({ length: 6 }, () => auditSpan())), [], 1)
    const second = await intake.store(incoming(...Array.from({ length: 5 }, () => auditSpan())), [], 1)
    expect(second).toMatchObject({ is: 'unavailable' })
    expect(to.taken).toHaveLength(6)
    // By bytes as well.
    expect(await intake.store(incoming(auditSpan()), [], BOUNDS.bytes + 1)).toMatchObject({
      is: 'unavailable',
    })
  })

  it('of more than all the room is taken in parts, when nothing else is held', async () => {
    const to = pipeline()
    const intake = new Intake(to, BOUNDS)
    const all = intake.store(incoming(...Array.from({ length: 25 }, () => auditSpan())), [], 1)
    let settled = 0
    for (const upTo of [10, 20, 25]) {
      await new Promise(setImmediate)
      expect(to.taken).toHaveLength(upTo)
      for (; settled < upTo; settled++) to.taken[settled]?.onFate('stored')
    }
    expect(await all).toEqual({ is: 'stored' })
  })

  it('is stored when what the database refuses is kept aside, and not before', async () => {
    const to = pipeline()
    const intake = new Intake(to, BOUNDS)
    let isAnswered = false
    const answer = intake.store(incoming(auditSpan(), auditSpan()), [], 1).finally(() => {
      isAnswered = true
    })
    to.taken[0]?.onFate('stored')
    to.taken[1]?.onFate('refused')
    await new Promise(setImmediate)
    expect(to.taken[2]?.event).toMatchObject({ operation: 'audit_quarantine' })
    expect(to.taken[2]?.setAside).toMatchObject([{ reason: 'refused' }])
    expect(isAnswered).toBe(false)
    to.taken[2]?.onFate('stored')
    expect(await answer).toEqual({ is: 'stored' })
  })

  it('is not stored when that cannot be kept', async () => {
    const to = pipeline()
    const intake = new Intake(to, BOUNDS)
    const answer = intake.store(incoming(auditSpan()), [], 1)
    to.taken[0]?.onFate('refused')
    await new Promise(setImmediate)
    to.taken[1]?.onFate('refused', 'no such table')
    expect(await answer).toMatchObject({ is: 'unavailable', why: expect.stringContaining('no such table') })
  })
})

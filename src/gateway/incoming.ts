import { addAttributes, type AttributeValue } from '../event/attributes.js'
import type { SetAside } from '../contract/sink.js'
import { AuditError } from '../errors.js'
import { type AuditEvent, completeEvent, draftEvent } from '../event/event.js'
import type { Operation } from '../event/vocabulary.js'
import { snowflakeTime } from '../event/snowflake.js'
import { eventTime, microseconds } from '../event/time.js'
import { derivedId } from '../otel/derived-id.js'
import { fromSpanEvent, type ReadBack, withoutDraft } from '../otel/span-event.js'
import type { FoundEvent, OtlpAttributes } from './otlp/found-event.js'
import { isProducts } from './products-own.js'
import { keptAside, type Reason } from './kept-aside.js'
import type { Sender } from './sender.js'

/** An event of a request that can be a row. */
export interface Incoming {
  /** As it is to be stored, with what the gateway says of it. */
  readonly event: AuditEvent
  /** What it may be stored as already: see `BatchEntry.alike`. The first is the event as it came. */
  readonly alike: readonly AuditEvent[]
  /** Its time is further from that of this machine than clocks should be. */
  readonly isSkewed: boolean
  readonly isCut: boolean
  readonly isMismatch: boolean
  /** What is kept of it when the database can never store it. */
  readonly aside: (reason: Reason) => SetAside
}

/** How far the time of an event may be from its arrival before that is counted, in ms. It may have waited for an outage. */
const MOST_SKEW_MS = 5 * 60_000
const DAY_MS = 86_400_000
const LONGEST_OPERATION = 64
const SERVICE_NAME = 'service.name'
const SERVICE_INSTANCE_ID = 'service.instance.id'

/** Of what comes a second time, out of the quarantine. */
interface Replay {
  /** When it came first, µs since the Unix epoch. */
  readonly receivedAt: number
  /** Whatever it says of its time is taken. Its id is then not to be stored as it is. */
  readonly isClockClaimed: boolean
}

/**
 * Makes an event of what was found, or says what to keep aside of it.
 *
 * @param nowMs the wall clock, ms since the Unix epoch
 */
export function incomingOf(
  found: FoundEvent,
  sender: Sender,
  nowMs: number,
  replay?: Replay,
): Incoming | SetAside {
  const service = textIn(found.resource, SERVICE_NAME)
  const instance = textIn(found.resource, SERVICE_INSTANCE_ID)
  const aside = (reason: Reason): SetAside => keptAside(found, reason, sender.name, service, instance, nowMs)
  let read: ReadBack | undefined
  let claimed: AuditEvent
  try {
    const attributes = withoutDraft(found.attributes)
    read = fromSpanEvent(attributes)
    if (read === undefined) return aside('incomplete')
    const draft = draftEvent(read.fields, read.markers)
    const said = read.occurredAt ?? Number(found.timeNanos / 1000n)
    const occurredAt = replay?.isClockClaimed ? microseconds(said) : eventTime(said, nowMs)
    const auditId = read.auditId ?? derivedId(found, occurredAt)
    if (!replay?.isClockClaimed && snowflakeTime(auditId) > nowMs + DAY_MS) return aside('clock')
    claimed = completeEvent(draft, {
      auditId,
      occurredAt,
      // What the event says of itself is in its digest; the resource may be that of another SDK in the process.
      serviceName: saidOr(read.serviceName, service),
      serviceInstanceId: saidOr(read.serviceInstanceId, instance),
      traceId: found.traceId || undefined,
      spanId: found.spanId || undefined,
    })
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    return aside(error.field === 'occurredAt' ? 'clock' : 'invalid')
  }
  const isForeign = isProducts(claimed.operation)
  const { serviceName } = read
  const mayName =
    sender.mayNameService(service) && (typeof serviceName !== 'string' || sender.mayNameService(serviceName))
  const isMismatch = isForeign || !mayName
  const isCut = read.isCut || found.isIncomplete
  const as = isForeign ? withOperation(claimed, `claimed_${claimed.operation}`) : claimed
  const said: Record<string, AttributeValue> = {
    'gateway.received_at': replay?.receivedAt ?? Math.floor(nowMs * 1000),
    'gateway.sender': sender.name,
  }
  if (isMismatch) said['gateway.mismatch'] = true
  if (isCut) said['gateway.truncated'] = true
  return {
    event: Object.freeze({ ...as, attributesJson: addAttributes(as.attributesJson, said) }),
    // A row that the product wrote itself is found by what it says of itself.
    alike: isForeign ? [as, claimed] : [claimed],
    isSkewed: Math.abs(claimed.occurredAt / 1000 - nowMs) > MOST_SKEW_MS,
    isCut,
    isMismatch,
    aside,
  }
}

export function isIncoming(taken: Incoming | SetAside): taken is Incoming {
  return 'event' in taken
}

function withOperation(event: AuditEvent, name: string): AuditEvent {
  return Object.freeze({ ...event, operation: name.slice(0, LONGEST_OPERATION) as Operation })
}

/** @param said null: that it has none */
function saidOr(said: string | null | undefined, otherwise: string | undefined): string | undefined {
  return said === undefined ? otherwise : (said ?? undefined)
}

function textIn(attributes: OtlpAttributes, key: string): string | undefined {
  const value = attributes[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

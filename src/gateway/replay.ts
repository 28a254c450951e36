import { AuditError } from '../errors.js'
import { redateEvent } from '../event/redate.js'
import { sha256 } from '../event/sha256.js'
import { type Incoming, incomingOf, isIncoming } from './incoming.js'
import type { FoundEvent, OtlpAttributes, Signal } from './otlp/found-event.js'
import { readJsonSingle } from './otlp/json.js'
import { readSingle } from './otlp/protobuf.js'

/** What is kept of an event, as it is needed to make it one. */
export interface Kept {
  readonly format: string
  readonly sender: string
  readonly serviceName: string | null
  readonly serviceInstanceId: string | null
  readonly traceId: string | null
  readonly spanId: string | null
  readonly ordinal: number
  /** µs since the Unix epoch. */
  readonly receivedAt: number
  /** Of the whole, hex. */
  readonly rawSha256: string
}

/**
 * Makes an event of what was kept aside, as the gateway would make it now.
 *
 * @param isClockClaimed it was kept for its time: what it says of that is taken, and its id is one of now
 * @throws AuditError `AUDIT_INVALID_EVENT` when it still is none
 */
export function replayed(kept: Kept, raw: Buffer, nowMs: number, isClockClaimed: boolean): Incoming {
  if (sha256(raw).toString('hex') !== kept.rawSha256) throw refused('only its beginning is kept')
  const [kind = '', encoding] = kept.format.split('/')
  const signal: Signal | undefined = SIGNALS[kind]
  if (signal === undefined)
    throw refused('it is a part of a request, and not one event: see it with `quarantine show`')
  const found = encoding === 'json' ? readJsonSingle(raw, signal) : readSingle(raw, signal)
  if (found === undefined) throw refused('it is not a secret.access event')
  const whole: FoundEvent = {
    ...found,
    traceId: kept.traceId ?? '',
    spanId: kept.spanId ?? '',
    ordinal: kept.ordinal,
    resource: resourceOf(kept),
  }
  const sender = { name: kept.sender, mayNameService: () => true }
  const incoming = incomingOf(whole, sender, nowMs, { receivedAt: kept.receivedAt, isClockClaimed })
  if (!isIncoming(incoming)) throw refused(`it still cannot be a row: ${incoming.reason}`)
  if (!isClockClaimed) return incoming
  const alike = incoming.alike.map((event) => redateEvent(event, nowMs))
  const [bare] = alike
  if (bare === undefined) return incoming
  const { auditId, originalAuditId } = bare
  return { ...incoming, alike, event: Object.freeze({ ...incoming.event, auditId, originalAuditId }) }
}

const SIGNALS: Readonly<Record<string, Signal>> = { 'span-event': 'traces', 'log-record': 'logs' }

function resourceOf({ serviceName, serviceInstanceId }: Kept): OtlpAttributes {
  const attributes = Object.create(null) as Record<string, string>
  if (serviceName !== null) attributes['service.name'] = serviceName
  if (serviceInstanceId !== null) attributes['service.instance.id'] = serviceInstanceId
  return attributes
}

function refused(why: string): AuditError {
  return new AuditError('AUDIT_INVALID_EVENT', why)
}

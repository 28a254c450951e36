import type { Attributes, Context, Link, SpanKind, TraceState } from '@opentelemetry/api'
import { AuditError } from '../errors.js'
import { ticketOf } from './audit-span.js'

// The values of the SDK's `SamplingDecision`, which is in a package that differs between its two lines.
const NOT_RECORD = 0
const RECORD = 1

/** The part of the SDK's `SamplingResult` that both of its lines share. */
export interface AuditSamplingResult {
  decision: number
  attributes?: Readonly<Attributes>
  traceState?: TraceState
}

/** The part of the SDK's `Sampler` that both of its lines share. */
export interface SamplerLike {
  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): AuditSamplingResult
  toString(): string
}

/**
 * Lets audit spans be recorded, so that processors see them, without sampling them up: for a span whose Context
 * carries a ticket NOT_RECORD becomes RECORD. Everything else is the delegate's, so exactly the traces are exported
 * that were exported without it.
 */
export class AuditSampler implements SamplerLike {
  readonly #delegate: SamplerLike

  /**
   * @param delegate the sampler that decides what is exported
   * @throws AuditError `AUDIT_SDK_CONFIG` without one
   */
  constructor(delegate: SamplerLike) {
    if (typeof delegate?.shouldSample !== 'function') {
      throw new AuditError(
        'AUDIT_SDK_CONFIG',
        'AuditSampler needs the sampler that decides what is exported',
        { field: 'delegate' },
      )
    }
    this.#delegate = delegate
  }

  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): AuditSamplingResult {
    const ticket = ticketOf(context)
    if (ticket?.isProbe) return { decision: RECORD }
    const result = this.#delegate.shouldSample(context, traceId, spanName, spanKind, attributes, links)
    return ticket !== undefined && result.decision === NOT_RECORD ? { ...result, decision: RECORD } : result
  }

  toString(): string {
    return `AuditSampler{${this.#delegate.toString()}}`
  }
}

import { randomBytes } from 'node:crypto'
import { encoded } from './otlp-schema.js'

/** An attribute as OTLP/JSON has it. */
export interface Attribute {
  readonly key: string
  readonly value: object
}

export const text = (key: string, stringValue: string): Attribute => ({ key, value: { stringValue } })

export interface SpanOptions {
  readonly traceId?: string
  readonly spanId?: string
  readonly timeNanos?: bigint
  readonly events?: number
  readonly attributes?: readonly Attribute[]
  readonly dropped?: number
}

/** Attributes of an access that need no more. */
export const ACCESS: readonly Attribute[] = [
  text('secret_audit.credential', 'payments-db'),
  text('secret_audit.operation', 'get_credential'),
  text('secret_audit.outcome', 'ok'),
]

/** ns since the Unix epoch. */
export const nowNanos = (): bigint => BigInt(Date.now()) * 1_000_000n

/** A span with audit events, as OTLP/JSON has it. */
export function auditSpan(options: SpanOptions = {}) {
  const { traceId = randomBytes(16).toString('hex'), spanId = randomBytes(8).toString('hex') } = options
  const { timeNanos = nowNanos(), events = 1, attributes = ACCESS, dropped = 0 } = options
  return {
    traceId,
    spanId,
    name: 'secret_audit get_credential',
    kind: 1,
    startTimeUnixNano: `${timeNanos}`,
    endTimeUnixNano: `${timeNanos + 1000n}`,
    attributes: [],
    events: Array.from({ length: events }, () => ({
      timeUnixNano: `${timeNanos}`,
      name: 'secret.access',
      attributes,
      droppedAttributesCount: dropped,
    })),
  }
}

/** A span of somebody else. */
export function otherSpan() {
  return {
    ...auditSpan({ events: 0 }),
    name: 'GET /orders',
    attributes: [
      text('http.request.method', 'GET'),
      { key: 'http.response.status_code', value: { intValue: '200' } },
    ],
    events: [{ timeUnixNano: '1', name: 'exception', attributes: [text('exception.message', 'x')] }],
  }
}

/** One resource with spans, as OTLP/JSON has it. */
export function tracesOf(
  spans: readonly object[],
  resource: readonly Attribute[] = [text('service.name', 'billing')],
) {
  return {
    resourceSpans: [{ resource: { attributes: resource }, scopeSpans: [{ scope: { name: 'x' }, spans }] }],
  }
}

export function logsOf(
  records: readonly object[],
  resource: readonly Attribute[] = [text('service.name', 'billing')],
) {
  return { resourceLogs: [{ resource: { attributes: resource }, scopeLogs: [{ logRecords: records }] }] }
}

const HEX = new Set(['traceId', 'spanId', 'parentSpanId'])

/** The same as protobuf. */
export function protobufOf(request: object): Buffer {
  const message = 'resourceLogs' in request ? 'LogsRequest' : 'TracesRequest'
  const binary = JSON.parse(JSON.stringify(request), (key, value: unknown) =>
    HEX.has(key) ? Buffer.from(String(value), 'hex').toString('base64') : value,
  ) as object
  return encoded(message, binary)
}

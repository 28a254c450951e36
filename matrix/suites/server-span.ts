import { type OtlpReceiver, type ReceivedSpan, SERVER_KIND } from '../../test/support/otlp-receiver.js'

/** Whether the audit span of a row has arrived, below the span of the server. */
export function underServerSpan({ spans, auditSpans }: OtlpReceiver, spanId: string | null): boolean {
  const above = (below: ReceivedSpan | undefined): ReceivedSpan | undefined =>
    spans.find(({ traceId, spanId }) => traceId === below?.traceId && spanId === below?.parentSpanId)
  // Frameworks have spans of their own between the two.
  let span = above(auditSpans.find((audit) => audit.spanId === spanId))
  while (span !== undefined && span.kind !== SERVER_KIND) span = above(span)
  return span !== undefined
}

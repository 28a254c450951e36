import { SpanKind, type Tracer } from '@opentelemetry/api'
import { type Audit, type SecretAuditService, SnowflakeGenerator } from 'otel-audit'
import { access, attributesByHand } from './access.js'
import { median } from './statistics.js'
import type { Telemetry } from './telemetry.js'

/** Calls that are timed together; then everything they left behind is worked off, outside of the measured time. */
const BATCH = 200
const FEWEST_PAIRS = 20

export interface AsyncResult {
  /** Median time of a call of `recordAsync`, in µs. */
  readonly call_us: number
  /** Median time of the plain span, in µs. */
  readonly span_us: number
  /** Median of the ratios of neighbouring batches. */
  readonly over_span: number
}

/**
 * The synchronous time of `recordAsync` beside a plain span of the same attributes with one event, both below an
 * active span, both to an exporter that does nothing, in turns. What comes later (the digest, the write) is not in it.
 */
export async function compareAsync(
  audit: Audit,
  tracer: Tracer,
  telemetry: Telemetry,
  { seconds }: { readonly seconds: number },
): Promise<AsyncResult> {
  const ids = new SnowflakeGenerator(0)
  let next = 0
  const ours = (): number => timed(next, (n) => record(audit.service, n))
  const plain = (): number => {
    const idsAsText = Array.from({ length: BATCH }, () => `${ids.next(Date.now())}`)
    const now = Date.now()
    const first = next
    return timed(first, (n) => plainSpan(tracer, n, idsAsText[n - first] ?? '', now))
  }
  const run = async (side: () => number): Promise<number> => {
    const took = telemetry.underParent(side)
    await audit.flush()
    await telemetry.flush()
    return took
  }
  const pairs: { ours: number; plain: number }[] = []
  for (let pair = 0; pair < FEWEST_PAIRS; pair++) for (const side of [ours, plain]) await run(side)
  const end = performance.now() + seconds * 1000
  while (pairs.length < FEWEST_PAIRS || performance.now() < end) {
    next += BATCH
    if (pairs.length % 2 === 0) {
      const first = await run(ours)
      pairs.push({ ours: first, plain: await run(plain) })
    } else {
      const first = await run(plain)
      pairs.push({ ours: await run(ours), plain: first })
    }
  }
  return {
    call_us: median(pairs.map((pair) => pair.ours)),
    span_us: median(pairs.map((pair) => pair.plain)),
    over_span: median(pairs.map((pair) => pair.ours / pair.plain)),
  }
}

/** @returns µs a call */
function timed(first: number, call: (n: number) => void): number {
  const began = performance.now()
  for (let n = first; n < first + BATCH; n++) call(n)
  return ((performance.now() - began) * 1000) / BATCH
}

function record(service: SecretAuditService, n: number): void {
  service.recordAsync(access(n).fields)
}

function plainSpan(tracer: Tracer, n: number, auditId: string, now: number): void {
  const span = tracer.startSpan('secret_audit get_credential', {
    kind: SpanKind.INTERNAL,
    attributes: { 'audit.record.id': auditId },
  })
  const time: [number, number] = [Math.floor(now / 1000), (now % 1000) * 1_000_000]
  span.addEvent('secret.access', attributesByHand(access(n), auditId), time)
  span.end()
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Branch } from './branches.js'
import { writesCounted } from './exposition.js'
import { attributeOf, type OtlpSpan } from './otlp-receiver.js'
import type { Stage } from './stage.js'
import { readTrail, type TrailRow } from './trail.js'
import type { Taken } from './traffic.js'

/** What a run has left behind, in the three places where it can be seen. */
export interface Evidence {
  readonly rows: readonly TrailRow[]
  /** The text exposition of each service. */
  readonly metrics: Readonly<Record<string, string>>
  /** All spans of every trace that has an audit span. */
  readonly spans: readonly OtlpSpan[]
}

/** Milliseconds after which what is there is all there is. */
const PATIENCE = 20_000

/** Waits until every event is stored, exported and counted, or until that will not happen any more. */
export async function collect(stage: Stage, ownerUrl: string, taken: readonly Taken[]): Promise<Evidence> {
  const expected = taken.reduce((sum, { branch }) => sum + branch.events.length, 0)
  const deadline = performance.now() + PATIENCE
  for (;;) {
    const rows = await readTrail(ownerUrl, stage.instances)
    const spans = auditedTraces(stage.receiver.spans)
    const metrics = await scrape(stage)
    const accesses = rows.filter((row) => row.execution_id !== null)
    const reads = rows.filter(isReadOfProvider)
    const complete =
      accesses.length >= expected &&
      reads.length >= taken.filter(({ branch }) => isIssuing(branch)).length &&
      reads.every((row) => isTraced(row, spans)) &&
      accesses.every((row) => isTraced(row, spans)) &&
      writesCounted(metrics, 'written') >= rows.length
    if (complete || performance.now() > deadline) return { rows, metrics, spans }
    await sleep(100)
  }
}

/** The provider reads a token for it. */
export const isIssuing = ({ credential, status }: Branch): boolean =>
  credential === 'deploy-token' && status === 200

/** A row that nobody wrote a line for: the provider's client was hooked. */
export const isReadOfProvider = (row: TrailRow): boolean =>
  row.service_name === 'secret-provider' && row.operation === 'get_credential'

async function scrape({ services }: Stage): Promise<Record<string, string>> {
  const scraped = services.map(async ({ name, metricsUrl }) => {
    const response = await fetch(metricsUrl)
    return [name, await response.text()] as const
  })
  return Object.fromEntries(await Promise.all(scraped))
}

/** Whether the audit span of a row is there, and all that it hangs on. */
function isTraced(row: TrailRow, spans: readonly OtlpSpan[]): boolean {
  const audit = spans.find(({ spanId, traceId }) => spanId === row.span_id && traceId === row.trace_id)
  return audit !== undefined && rootOf(audit, spans) !== undefined
}

/** The span at the top of the trace, or undefined when a span between is missing. */
export function rootOf(span: OtlpSpan, spans: readonly OtlpSpan[]): OtlpSpan | undefined {
  let current: OtlpSpan | undefined = span
  while (current?.parentSpanId) {
    const { traceId, parentSpanId }: OtlpSpan = current
    current = spans.find((other) => other.traceId === traceId && other.spanId === parentSpanId)
  }
  return current
}

/** The audit id that an audit span carries. */
export function auditIdOf({ attributes }: OtlpSpan): string | undefined {
  return attributeOf(attributes, 'audit.record.id')
}

function auditedTraces(spans: readonly OtlpSpan[]): OtlpSpan[] {
  const audited = new Set(spans.filter((span) => auditIdOf(span) !== undefined).map(({ traceId }) => traceId))
  return spans.filter(({ traceId }) => audited.has(traceId))
}

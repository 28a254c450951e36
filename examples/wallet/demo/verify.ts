import { formIn } from './canary.js'
import { auditIdOf, type Evidence, isIssuing, isReadOfProvider, rootOf } from './evidence.js'
import { writesCounted } from './exposition.js'
import { SERVER_KIND } from './otlp-receiver.js'
import type { Taken } from './traffic.js'
import { ofExecution, type TrailRow } from './trail.js'

/** One thing that the run shows; `faults` lists where it does not. */
export interface Finding {
  readonly claim: string
  readonly faults: readonly string[]
}

/** Compares what was sent with what is stored, traced and counted. */
export function verify(taken: readonly Taken[], evidence: Evidence, canary: string): Finding[] {
  return [
    {
      claim: 'every request was answered as its branch defines',
      faults: taken.flatMap(answerFaults(canary)),
    },
    {
      claim: 'every branch left exactly its events in the trail',
      faults: taken.flatMap(rowFaults(evidence)),
    },
    {
      claim:
        'every token that the provider read from its Vault is in the trail, without a line in the provider',
      faults: zeroCodeFaults(taken, evidence),
    },
    { claim: 'every event is in the trace of its request', faults: traceFaults(evidence) },
    { claim: 'every row was counted as written, and nothing else was', faults: countFaults(evidence) },
    { claim: 'the secret is in no row, no metric and no span', faults: canaryFaults(evidence, canary) },
  ]
}

const answerFaults =
  (canary: string) =>
  ({ branch, reply }: Taken): string[] => {
    const what = `${branch.surface}, ${branch.when}:`
    if (reply.status !== branch.status) return [`${what} ${reply.status} instead of ${branch.status}`]
    if (branch.status === 200 && reply.secret !== canary)
      return [`${what} a secret other than the one stored`]
    return []
  }

const rowFaults =
  ({ rows }: Evidence) =>
  ({ branch, executionId }: Taken): string[] => {
    const found = ofExecution(rows, executionId).map(fate).sort()
    const expected = branch.events
      .map((event) =>
        fate({ server_region: event.serverRegion, operation: event.operation, outcome: event.outcome }),
      )
      .sort()
    const same = found.join() === expected.join()
    return same
      ? []
      : [`${branch.surface}, ${branch.when}: [${found.join(', ')}] instead of [${expected.join(', ')}]`]
  }

function fate(row: Pick<TrailRow, 'server_region' | 'operation' | 'outcome'>): string {
  return `${row.server_region} ${row.operation} ${row.outcome}`
}

/** The provider's rows are made by the client's hook; each is in the trace of the access that needed it. */
function zeroCodeFaults(taken: readonly Taken[], { rows, spans }: Evidence): string[] {
  const found = rows.filter(isReadOfProvider)
  const issued = taken.filter(({ branch }) => isIssuing(branch))
  const faults = found.length === issued.length ? [] : [`${found.length} rows for ${issued.length} tokens`]
  for (const { audit_id, trace_id, span_id } of found) {
    const above = rows.some((row) => row.trace_id === trace_id && row.execution_id !== null)
    const span = spans.some(({ spanId, traceId }) => spanId === span_id && traceId === trace_id)
    if (!above || !span) faults.push(`audit id ${audit_id}: it is not in the trace of its request`)
  }
  return faults
}

function traceFaults({ rows, spans }: Evidence): string[] {
  return rows
    .filter((row) => row.execution_id !== null)
    .flatMap((row) => {
      const what = `audit id ${row.audit_id}:`
      const own = spans.filter((span) => auditIdOf(span) === row.audit_id)
      const [span] = own
      if (span === undefined || own.length > 1) return [`${what} ${own.length} audit spans`]
      if (span.traceId !== row.trace_id || span.spanId !== row.span_id)
        return [`${what} the row names another span`]
      const events = span.events.filter(({ name }) => name === 'secret.access')
      if (events.length !== 1) return [`${what} ${events.length} span events`]
      return rootOf(span, spans)?.kind === SERVER_KIND
        ? []
        : [`${what} its trace does not begin with an HTTP server span`]
    })
}

function countFaults({ rows, metrics }: Evidence): string[] {
  const written = writesCounted(metrics, 'written')
  const other = writesCounted(metrics, 'dropped_async') + writesCounted(metrics, 'failed_strict')
  if (written === rows.length && other === 0) return []
  return [`${rows.length} rows, ${written} counted as written, ${other} as something else`]
}

function canaryFaults(evidence: Evidence, canary: string): string[] {
  return Object.entries(evidence).flatMap(([place, content]) => {
    return formIn(JSON.stringify(content), canary) === undefined ? [] : [`it is in the ${place}`]
  })
}

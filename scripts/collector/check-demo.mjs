import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Collector, until } from './collector.mjs'
import { attributesOf, differences, fromOtlp, isAudit, RECORD_ID, readAuditFiles } from './otlp.mjs'
import { Receiver } from './receiver.mjs'
import { demoDocument } from '../demo-document.mjs'

/** The demo's spans through the collector, held against what the demo says of them and against the rows in Postgres. */
export async function checkDemo(checks) {
  const jaeger = await Receiver.start()
  checks.opened(jaeger, () => jaeger.close())
  const auditFile = join(await checks.directory(), 'audit.jsonl')
  const collector = await Collector.start(checks, { jaeger: jaeger.url, auditFile })
  const { rows, spans } = await demo(checks, collector.url)
  const sent = spans.map((span) => ({ ...fromOtlp(span), resource: attributesOf(span.resource) }))
  const audit = sent.filter(isAudit)
  const traced = rows.filter(({ span_id }) => span_id !== null)

  await checks.check(
    `demo: its ${audit.length} audit spans are in the audit file, whole, each once`,
    async () => {
      const none = audit.length > 0 ? [] : ['there are none']
      return [...none, ...differences(audit, await readAuditFiles(auditFile))]
    },
  )
  await checks.check(`demo: ${traced.length} rows of Postgres and the audit file say the same`, async () => {
    const none = traced.length > 0 ? [] : ['there are none']
    return [...none, ...disagreements(traced, await readAuditFiles(auditFile))]
  })
  await checks.check(
    `demo: all its ${sent.length} spans are in the ordinary pipeline, whole, each once`,
    async () => {
      const ids = new Set(sent.map(({ spanId }) => spanId))
      const arrived = () => jaeger.spans.filter(({ spanId }) => ids.has(spanId)).length
      await until(() => arrived() >= sent.length, 'the ordinary pipeline has as many spans')
      return differences(sent, jaeger.spans)
    },
  )
}

function demo(checks, forwardTo) {
  return demoDocument({ DEMO_OTLP_FORWARD: forwardTo }, (child, exit) =>
    checks.opened(child, async () => {
      if (child.exitCode === null) child.kill('SIGTERM')
      await exit
    }),
  )
}

/** Columns that the span event has under the same name. */
const TEXTS = [
  'credential',
  'operation',
  'outcome',
  'worker_id',
  'execution_id',
  'parent_execution_id',
  'server_region',
  'broker_region',
  'kek_version',
  'notes',
  'actor_id',
  'actor_type',
  'source_address',
]

/** Where a row and the one audit event in the file that has its id do not say the same. */
function disagreements(rows, held) {
  const byRecord = new Map(held.map((span) => [span.attributes[RECORD_ID], span]))
  return rows.flatMap((row) => {
    const span = byRecord.get(row.original_audit_id ?? row.audit_id)
    if (span === undefined) return [`audit id ${row.audit_id} is not in the file`]
    const [event, ...more] = span.events.filter(({ name }) => name === 'secret.access')
    if (event === undefined || more.length > 0)
      return [`audit id ${row.audit_id}: ${more.length} further events`]
    const said = (name) => event.attributes[`secret_audit.${name}`] ?? null
    const attributes = said('attributes') === null ? null : JSON.parse(said('attributes'))
    const pairs = [
      ...TEXTS.map((column) => [column, row[column], said(column)]),
      ['occurred_at', microseconds(row.occurred_at), String(BigInt(event.time) / 1000n)],
      ['attributes', row.attributes, attributes],
      ['trace_id', row.trace_id, span.traceId],
      ['span_id', row.span_id, span.spanId],
      ['service_name', row.service_name, span.resource['service.name']],
      ['service_instance_id', row.service_instance_id, span.resource['service.instance.id']],
    ]
    return pairs
      .filter(([, stored, seen]) => !isDeepStrictEqual(stored, seen))
      .map(
        ([column, stored, seen]) =>
          `${row.audit_id}: ${column}: ${JSON.stringify(seen)} in place of ${JSON.stringify(stored)}`,
      )
  })
}

/** ISO 8601 with microseconds, as microseconds since the epoch. */
function microseconds(iso) {
  const [, seconds, micros] = /^(.*)\.(\d{6})Z$/.exec(iso)
  return String(BigInt(Date.parse(`${seconds}Z`)) * 1000n + BigInt(micros))
}

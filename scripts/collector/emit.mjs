// A service, as far as a collector can tell: spans and metrics over OTLP as the environment says, by way of the real
// helper. Prints what it has sent as JSON: { spans, exposition }.
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { BatchSpanProcessor, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createAudit, RecordingAuditSink } from 'otel-audit'
import { fromReadable } from './otlp.mjs'

const ROUNDS = 8
const EVENTS_A_ROUND = 60

/** What formats like to spoil: escapes, quotes, two planes of Unicode, combining marks, right-to-left, separators. */
const AWKWARD =
  '"\\/\b\f\n\r\t\u0001\u007f\u0085 Zażółć gęślą 鍵 🔑🇪🇺 e\u0301 \u202eשלום\u202c \u2028\u2029 <&>\' %00 \\u0000 {"a":1}'

async function main() {
  const kept = new InMemorySpanExporter()
  const exported = new BatchSpanProcessor(new OTLPTraceExporter())
  const audit = createAudit({ sink: new RecordingAuditSink() })
  const sdk = new NodeSDK(audit.withSdk({ spanProcessors: [exported, new SimpleSpanProcessor(kept)] }))
  sdk.start()
  await audit.start()
  for (let round = 0; round < ROUNDS; round++) {
    await serve(audit.service, round)
    await exported.forceFlush() // The queue of the batch processor drops what is beyond 2048.
  }
  foreign()
  await audit.close()
  const spans = kept.getFinishedSpans().map(fromReadable)
  const scraped = await fetch(`http://127.0.0.1:${process.env.OTEL_EXPORTER_PROMETHEUS_PORT}/metrics`)
  const exposition = await scraped.text()
  await sdk.shutdown()
  process.stdout.write(JSON.stringify({ spans, exposition }))
}

/** Requests with audited accesses in them, and some spans that are nobody's business. */
async function serve(service, round) {
  const tracer = trace.getTracer('emit', '1.0.0')
  for (let i = 0; i < EVENTS_A_ROUND; i++) {
    await tracer.startActiveSpan(`GET /${round}/${i}`, { kind: SpanKind.SERVER }, async (span) => {
      const fields = access(round * EVENTS_A_ROUND + i)
      if (i % 3 === 0) await service.recordStrict(fields)
      else service.recordAsync(fields)
      tracer.startSpan('render', { attributes: { 'audit.record': 'not an audit span' } }).end()
      span.end()
    })
  }
}

function access(i) {
  return {
    credential: i % 2 === 0 ? `payments-db-${i}` : `${AWKWARD} ${i}`,
    operation: ['get_credential', 'get_sealed', 'resolve_keychain', 'cross_region_broker_serve'][i % 4],
    outcome: i % 5 === 0 ? 'residency_violation' : 'ok',
    executionId: 2n ** 62n + BigInt(i),
    parentExecutionId: -1n,
    workerId: `worker ${AWKWARD}`,
    serverRegion: 'eu-central',
    kekVersion: 'kek-2',
    notes: AWKWARD.repeat(40), // Cut to 1024 by the helper.
    actorId: 'ünïcødé 🤖',
    actorType: ['user', 'service', 'system'][i % 3],
    sourceAddress: '2001:db8::1',
    attributes: { cacheHit: i % 2 === 0, attempt: i, tenant: AWKWARD, big: Number.MAX_SAFE_INTEGER },
  }
}

/** An audit span by somebody who has not got the helper, with each type of attribute value, and lengths beyond ours. */
function foreign() {
  const attributes = {
    'secret_audit.audit_id': '9223372036854775807',
    'secret_audit.credential': AWKWARD,
    'secret_audit.operation': 'get_credential',
    'secret_audit.outcome': 'ok',
    'secret_audit.notes': `${'🔑'.repeat(40_000)}\u0000${AWKWARD}`,
    bool: false,
    integer: -Number.MAX_SAFE_INTEGER,
    double: 0.1,
    texts: [AWKWARD, ''],
    flags: [true, false],
    numbers: [1, 2, 3],
    empty: '',
  }
  // Known by its name alone.
  const span = trace.getTracer('foreign').startSpan('secret_audit get_credential', {
    kind: SpanKind.INTERNAL,
  })
  span.addEvent('secret.access', attributes)
  span.setStatus({ code: SpanStatusCode.ERROR, message: AWKWARD })
  span.end()
}

await main()

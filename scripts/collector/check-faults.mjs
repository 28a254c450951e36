import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { examples } from './check-configurations.mjs'
import { Collector, until } from './collector.mjs'
import { differences, fromOtlp, readAuditFiles } from './otlp.mjs'
import { Receiver } from './receiver.mjs'
import { send } from './sender.mjs'

/** What is acknowledged is kept, and what cannot be kept is not acknowledged. */
export async function checkFaults(checks) {
  const promises = [
    ['Jaeger refuses everything: senders get 200, audit spans are in the file', withoutJaeger],
    ['kill -9 of the collector: what it acknowledged is in the file', killed],
    ['after a write that was cut off, the file goes on and can be read', cutOff],
    ['the disk is full: the sender gets 503, Jaeger the span', diskFull],
    [
      'the forwarding example: nothing acknowledged is lost to a receiver that is away, and kill -9',
      forwarding,
    ],
  ]
  for (const [promise, body] of promises) await checks.check(promise, () => body(checks))
}

async function withoutJaeger(checks) {
  const jaeger = await receiver(checks)
  jaeger.status = 503
  const { collector, auditFile } = await collectorFor(checks, jaeger)
  const sent = await Promise.all(Array.from({ length: 100 }, () => send(collector.url)))
  return [...statuses(sent, 200), ...lost(sent, await readAuditFiles(auditFile))]
}

async function killed(checks) {
  const { collector, auditFile } = await collectorFor(checks, await receiver(checks))
  const acknowledged = []
  const sender = async () => {
    for (;;) {
      const answer = await send(collector.url, { text: 'long'.repeat(5000) }).catch(() => undefined)
      if (answer?.status !== 200) return
      acknowledged.push(answer)
    }
  }
  const senders = Array.from({ length: 8 }, sender)
  await until(() => acknowledged.length > 200, 'some are acknowledged')
  await collector.stop('SIGKILL')
  await Promise.all(senders)
  return lost(acknowledged, await readAuditFiles(auditFile))
}

async function cutOff(checks) {
  const directory = await checks.directory()
  const auditFile = join(directory, 'audit.jsonl')
  await writeFile(auditFile, '{"resourceSpans":[{"resource":{},"scopeSpans":[{"spans":[{"name":"secret_au')
  const { collector } = await collectorFor(checks, await receiver(checks), { auditFile })
  const sent = [await send(collector.url), await send(collector.url)]
  return lost(sent, await readAuditFiles(auditFile))
}

async function diskFull(checks) {
  const jaeger = await receiver(checks)
  const auditFile = join(await checks.directory(), 'audit.jsonl')
  await symlink('/dev/full', auditFile)
  const { collector } = await collectorFor(checks, jaeger, { auditFile })
  const sent = [await send(collector.url)]
  const ordinary = [await send(collector.url, { audit: false })]
  await until(() => jaeger.spans.length >= 2, 'the ordinary pipeline has both spans')
  return [...statuses(sent, 503), ...statuses(ordinary, 200), ...lost([...sent, ...ordinary], jaeger.spans)]
}

async function forwarding(checks) {
  const overlay = (await examples()).find(({ yaml }) => yaml.includes('file_storage'))
  const [jaeger, gateway] = [await receiver(checks), await receiver(checks)]
  gateway.status = 503
  const options = {
    overlays: [`yaml:${overlay.yaml}`, 'yaml:exporters::otlp_http/audit::encoding: json'],
    env: { COLLECTOR_AUDIT_URL: gateway.url, COLLECTOR_QUEUE_DIR: await checks.directory() },
  }
  const first = await collectorFor(checks, jaeger, options)
  const sent = await Promise.all(Array.from({ length: 50 }, () => send(first.collector.url)))
  await first.collector.stop('SIGKILL')
  gateway.status = 200
  await collectorFor(checks, jaeger, options)
  const ids = () => new Set(gateway.spans.map(({ spanId }) => spanId)).size
  await until(() => ids() >= sent.length, 'the gateway has them all')
  // One that was on its way when the collector was killed may come twice.
  const once = [...new Map(gateway.spans.map((span) => [span.spanId, span])).values()]
  return [...statuses(sent, 200), ...lost(sent, once)]
}

async function receiver(checks) {
  const started = await Receiver.start()
  return checks.opened(started, () => started.close())
}

async function collectorFor(checks, jaeger, { auditFile, ...options } = {}) {
  const file = auditFile ?? join(await checks.directory(), 'audit.jsonl')
  const collector = await Collector.start(checks, { jaeger: jaeger.url, auditFile: file, ...options })
  return { collector, auditFile: file }
}

function statuses(sent, expected) {
  return sent
    .filter(({ status }) => status !== expected)
    .map(({ status }) => `${status} in place of ${expected}`)
}

function lost(sent, held) {
  return differences(
    sent.map(({ span }) => fromOtlp(span)),
    held,
  )
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Collector, freePorts, until } from './collector.mjs'
import { scrape, seriesOf } from './exposition.mjs'
import { auditFiles, differences, isAudit, readAuditFiles } from './otlp.mjs'
import { Receiver } from './receiver.mjs'

const PROMETHEUS = join(import.meta.dirname, '..', '..', 'deploy', 'prometheus', 'prometheus.yml')

/** Every audit event whole in the audit file, every span in the ordinary pipeline, every metric under its own name. */
export async function checkPipelines(checks) {
  const jaeger = await Receiver.start()
  checks.opened(jaeger, () => jaeger.close())
  const auditFile = join(await checks.directory(), 'audit.jsonl')
  const env = { COLLECTOR_AUDIT_FILE_MIB: '1' }
  const collector = await Collector.start(checks, { jaeger: jaeger.url, auditFile, env })
  const { spans, exposition } = await emit(checks, collector.url)
  const audit = spans.filter(isAudit)

  await checks.check(`${audit.length} audit spans are in the audit file, whole, each once`, async () => {
    const events = audit.filter(({ events: [event] }) => event?.name === 'secret.access')
    const whole = events.length === audit.length ? [] : [`${events.length} of them had a secret.access event`]
    return [...whole, ...differences(audit, await readAuditFiles(auditFile))]
  })
  await checks.check('nothing else is in the audit file', async () => {
    const others = (await readAuditFiles(auditFile)).filter((span) => !isAudit(span))
    return others.map(({ name }) => name)
  })
  await checks.check('the audit file was rotated, and nothing removed', async () => {
    const files = await auditFiles(auditFile)
    return files.length > 1 ? [] : [`${files.length} files: what was sent is not enough to show it`]
  })
  await checks.check(`all ${spans.length} spans are in the ordinary pipeline, whole, each once`, async () => {
    await until(() => jaeger.spans.length >= spans.length, 'the ordinary pipeline has as many spans')
    return differences(spans, jaeger.spans)
  })
  await checks.check(
    'metrics sent by OTLP reach Prometheus under the names and labels of the service itself',
    async () => {
      const own = seriesOf(exposition)
      const collected = seriesOf(await relabelled(await scrape(collector.metricsUrl)))
      const missing = own.filter((series) => !collected.includes(series))
      const added = collected.filter((series) => !own.includes(series))
      return [...missing.map((series) => `missing: ${series}`), ...added.map((series) => `added: ${series}`)]
    },
  )
}

/** What Prometheus makes of the names by the `metric_relabel_configs` of deploy/prometheus. */
async function relabelled(exposition) {
  const rule = /regex: "(.+)"\n\s+target_label: __name__\n\s+replacement: "(.+)"/
  const [, pattern, replacement] = rule.exec(await readFile(PROMETHEUS, 'utf8'))
  const name = new RegExp(`^(?:${pattern})(?=[ {])`, 'gm')
  return exposition.replace(name, replacement)
}

/** Runs emit.mjs against a collector. */
export async function emit(checks, url) {
  const [port] = await freePorts(1)
  const others = Object.entries(process.env).filter(([name]) => !/^(OTEL|NOETL)_/.test(name))
  const child = spawn(process.execPath, [join(import.meta.dirname, 'emit.mjs')], {
    env: {
      ...Object.fromEntries(others),
      OTEL_SERVICE_NAME: 'emit',
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_METRICS_EXPORTER: 'otlp,prometheus',
      OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
      OTEL_EXPORTER_PROMETHEUS_PORT: `${port}`,
      OTEL_LOGS_EXPORTER: 'none',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  checks.opened(child, () => child.kill('SIGKILL'))
  const said = await text(child.stdout)
  const [code] = await exit
  if (code !== 0) throw new Error(`emit.mjs ended with ${code}`)
  return JSON.parse(said)
}

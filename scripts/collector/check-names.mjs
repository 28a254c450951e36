import { readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { emit } from './check-pipelines.mjs'
import { Collector } from './collector.mjs'
import { namesOf, scrape } from './exposition.mjs'
import { Receiver } from './receiver.mjs'
import { send } from './sender.mjs'

const DOCS = join(import.meta.dirname, '..', '..', 'docs')
const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy')

/** A panel or alert on a metric that does not exist shows nothing, for ever, and looks like a good day. */
export async function checkNames(checks) {
  const names = await metricNames(checks)
  const unknown = (expressions) => {
    const used = expressions.flatMap((expr) => expr.match(/\b(?:noetl|otelcol)_\w+/g) ?? [])
    return [...new Set(used)].filter((name) => !names.has(name))
  }
  await checks.check('the dashboards use metrics that exist', async () => {
    const files = await Promise.all(
      ['secret-audit.json', 'secret-review.json'].map((file) =>
        readFile(join(DEPLOY, 'grafana/dashboards', file), 'utf8'),
      ),
    )
    const expressions = files.flatMap((file) => {
      const { panels, templating } = JSON.parse(file)
      const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr = '' }) => expr))
      return [...queries, ...templating.list.map(({ definition = '' }) => definition)]
    })
    return unknown(expressions)
  })
  await checks.check('the alerts use metrics that exist', async () => {
    const alerts = await readFile(join(DEPLOY, 'prometheus/alerts.yml'), 'utf8')
    return unknown(alerts.split('\n').filter((line) => !/^\s*(#|summary|description)/.test(line)))
  })
}

/** Of a service, and of a collector whose disk is full: a counter of failures appears with the first of them. */
async function metricNames(checks) {
  const jaeger = await Receiver.start()
  checks.opened(jaeger, () => jaeger.close())
  const start = (auditFile) => Collector.start(checks, { jaeger: jaeger.url, auditFile })
  const directory = await checks.directory()
  await symlink('/dev/full', join(directory, 'full.jsonl'))
  const [sound, full] = [
    await start(join(directory, 'audit.jsonl')),
    await start(join(directory, 'full.jsonl')),
  ]
  await send(full.url)
  const telemetry = await scrape(full.telemetryUrl)
  const { exposition } = await emit(checks, sound.url)
  return new Set([...namesOf(telemetry), ...namesOf(exposition), ...(await elsewhere())])
}

/** Metrics of server, gateway, verifier and of secret clients, which that service has not: those that the tables of the docs have. */
async function elsewhere() {
  const pages = await Promise.all(['metrics.md', 'api.md'].map((page) => readFile(join(DOCS, page), 'utf8')))
  const names = pages.flatMap((page) =>
    [...page.matchAll(/^\| `(noetl\.[\w.]+)` \|/gm)].map(([, name]) => name),
  )
  return names.map((name) => name.replaceAll('.', '_')).flatMap((name) => [name, `${name}_total`])
}

// `npm run prometheus:check`: promtool over the alerts and their tests, and every query of the dashboards and every alert
// in a real Prometheus that has scraped what the services of the demo expose. Exit code 2 where there is no Prometheus.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts, until } from '../collector/collector.mjs'
import { namesOf } from '../collector/exposition.mjs'
import { demoDocument } from '../demo-document.mjs'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '..', '..')
const ALERTS = join(ROOT, 'deploy', 'prometheus')
const DASHBOARDS = join(ROOT, 'deploy', 'grafana', 'dashboards')

/** The path of a program, in `PROMETHEUS_PATH` or the search path. */
function program(name) {
  const directories = [process.env.PROMETHEUS_PATH, ...(process.env.PATH ?? '').split(delimiter)]
  return directories
    .filter((directory) => directory)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
}

let passed = 0
let failed = 0
function report(promise, faults) {
  if (faults.length === 0) passed++
  else failed++
  console.log(`${faults.length === 0 ? 'ok  ' : 'FAIL'}  ${promise}`)
  for (const fault of faults.slice(0, 10)) console.log(`      ${fault}`)
}

async function promtool(binary, ...args) {
  return run(binary, args, { cwd: ALERTS }).then(
    () => [],
    (error) => `${error.stdout}${error.stderr}`.trim().split('\n'),
  )
}

/** A service's exposition as it was before anything was counted. */
function before(exposition) {
  return exposition.replaceAll(/^(\w+_(?:total|count|sum|bucket)(?:\{.*\})?) \S+/gm, '$1 0')
}

/** Serves what each service exposes, at `/<service>`: first as before, and from `count()` on as it was in the end. */
async function targets(metrics) {
  let hasCounted = false
  const server = createServer((request, response) => {
    const text = metrics[(request.url ?? '').slice(1)] ?? ''
    response.setHeader('content-type', 'text/plain; version=0.0.4')
    response.end(hasCounted ? text : before(text))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: server.address().port, count: () => (hasCounted = true) }
}

function configuration(services, port) {
  const jobs = services.map((service) =>
    [
      `  - job_name: ${service}`,
      `    metrics_path: /${service}`,
      '    static_configs:',
      `      - targets: ["127.0.0.1:${port}"]`,
    ].join('\n'),
  )
  return [
    'global: { scrape_interval: 1s, evaluation_interval: 1s }',
    `rule_files: ["${join(ALERTS, 'alerts.yml')}"]`,
    'scrape_configs:',
    ...jobs,
    '',
  ].join('\n')
}

/** The queries of both dashboards, with what Grafana puts in the place of its variables. */
async function panelQueries() {
  const found = []
  for (const file of ['secret-audit.json', 'secret-review.json']) {
    const { panels } = JSON.parse(await readFile(join(DASHBOARDS, file), 'utf8'))
    for (const { title, targets: queries = [] } of panels) {
      for (const { expr } of queries)
        if (expr !== undefined) found.push({ title, expr: withoutVariables(expr) })
    }
  }
  return found
}

function withoutVariables(expr) {
  return expr.replaceAll('$service', '.*').replaceAll('$__rate_interval', '30s').replaceAll('$__range', '1m')
}

async function ask(url, path) {
  const response = await fetch(`${url}/api/v1/${path}`)
  return response.json()
}

/** Queries that Prometheus does not take, or that find nothing although the services expose every metric that they name. */
async function unanswered(url, queries, exposed) {
  const faults = []
  for (const { title, expr } of queries) {
    const { status, error, data } = await ask(url, `query?query=${encodeURIComponent(expr)}`)
    const names = expr.match(/\bnoetl_\w+/g) ?? []
    if (status !== 'success') faults.push(`"${title}": ${error}`)
    else if (data.result.length === 0 && names.every((name) => exposed.has(name)))
      faults.push(`"${title}" finds nothing: ${expr}`)
  }
  return faults
}

async function withPrometheus(binary, metrics, work) {
  const directory = await mkdtemp(join(tmpdir(), 'otel-audit-prometheus-'))
  const { server, port: scraped, count } = await targets(metrics)
  const [port] = await freePorts(1)
  const config = join(directory, 'prometheus.yml')
  await writeFile(config, configuration(Object.keys(metrics), scraped))
  const child = spawn(
    binary,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { cwd: directory, stdio: 'ignore' },
  )
  const exit = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  try {
    const isReady = () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    await until(isReady, 'Prometheus is ready')
    const scrapedAll = async (times) => {
      const { data } = await ask(url, `query?query=${encodeURIComponent('count_over_time(up[5m])')}`)
      const counts = data.result.map(({ value: [, text] }) => Number(text))
      return counts.length === Object.keys(metrics).length && counts.every((found) => found >= times)
    }
    await until(() => scrapedAll(3), 'each service is scraped three times')
    count()
    await until(() => scrapedAll(8), 'each service is scraped eight times')
    await work(url)
  } finally {
    child.kill('SIGTERM')
    await exit
    server.close()
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function main() {
  const [prometheus, tool] = [program('prometheus'), program('promtool')]
  if (prometheus === undefined || tool === undefined) {
    console.error(
      'There is no Prometheus: `apt-get install prometheus` (Debian) has prometheus and promtool, or set PROMETHEUS_PATH to their directory.',
    )
    process.exitCode = 2
    return
  }
  report('promtool check config prometheus.yml', await promtool(tool, 'check', 'config', 'prometheus.yml'))
  report('promtool test rules alerts.test.yml', await promtool(tool, 'test', 'rules', 'alerts.test.yml'))
  const { metrics } = await demoDocument()
  const exposed = new Set(Object.values(metrics).flatMap((text) => [...namesOf(text)]))
  await withPrometheus(prometheus, metrics, async (url) => {
    const queries = await panelQueries()
    report(
      `${queries.length} queries of the dashboards find what the demo's ${Object.keys(metrics).length} services have counted`,
      await unanswered(url, queries, exposed),
    )
    await sleep(2000)
    const { data } = await ask(url, 'rules')
    const rules = data.groups.flatMap((group) => group.rules)
    const broken = rules.filter(({ health }) => health !== 'ok')
    const none = rules.length > 20 ? [] : [`only ${rules.length} rules`]
    report(`${rules.length} alerts are evaluated`, [
      ...none,
      ...broken.map(({ name, health, lastError }) => `${name}: ${health} ${lastError ?? ''}`),
    ])
    const raised = rules
      .filter(({ state }) => state !== 'inactive')
      .map(({ name, state }) => `${name} (${state})`)
    console.log(`      raised by the demo: ${raised.length === 0 ? 'none' : raised.join(', ')}`)
  })
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

await main()

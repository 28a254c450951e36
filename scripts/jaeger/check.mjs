// `npm run jaeger:check`: the spans of the demo, through a real collector with otel-collector.yaml, in a real Jaeger. Its
// query API finds each audit span by its tag, with the event and what that says; and the console's link leads to that trace.
// Builds both programs first when they are not there yet, which takes some minutes and the Go module proxy.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'
import { collectorBinary } from '../collector/build.mjs'
import { runChecks } from '../collector/checks.mjs'
import { Collector, freePorts, until } from '../collector/collector.mjs'
import { jaegerBinary } from './build.mjs'

const ROOT = join(import.meta.dirname, '..', '..')
const HOUR_MICROSECONDS = 3600e6
const ROWS_OF_TEXTS = [
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

/** A Jaeger with its storage in memory, on free ports. */
class Jaeger {
  static async start(checks, binary) {
    const [query, grpc, otlp] = await freePorts(3)
    const config = join(await checks.directory(), 'jaeger.yaml')
    await writeFile(config, configuration(query, grpc, otlp))
    const child = spawn(binary, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] })
    const exit = once(child, 'exit')
    checks.opened(child, async () => {
      child.kill('SIGTERM')
      await exit
    })
    let said = ''
    child.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-4000)))
    const jaeger = new Jaeger()
    jaeger.url = `http://127.0.0.1:${query}`
    jaeger.otlpUrl = `http://127.0.0.1:${otlp}`
    const ended = exit.then(() => Promise.reject(new Error(`Jaeger ended:\n${said}`)))
    const answers = () =>
      jaeger.services().then(
        () => true,
        () => false,
      )
    await Promise.race([until(answers, 'Jaeger answers'), ended])
    ended.catch(() => {})
    return jaeger
  }

  async services() {
    return (await this.#get('/api/services')) ?? []
  }

  /** Traces with a span of the service that has the tag. */
  async tagged(service, key, value) {
    const now = Date.now() * 1000
    const parameters = new URLSearchParams({
      service,
      tags: JSON.stringify({ [key]: value }),
      start: `${now - HOUR_MICROSECONDS}`,
      end: `${now + HOUR_MICROSECONDS}`,
      limit: '20',
    })
    return (await this.#get(`/api/traces?${parameters}`)) ?? []
  }

  async trace(id) {
    return (await this.#get(`/api/traces/${id}`)) ?? []
  }

  async #get(path) {
    const response = await fetch(this.url + path)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()).data
  }
}

function configuration(query, grpc, otlp) {
  return JSON.stringify({
    service: {
      extensions: ['jaeger_storage', 'jaeger_query'],
      telemetry: { metrics: { level: 'none' } },
      pipelines: { traces: { receivers: ['otlp'], exporters: ['jaeger_storage_exporter'] } },
    },
    extensions: {
      jaeger_storage: { backends: { memory: { memory: { max_traces: 100_000 } } } },
      jaeger_query: {
        storage: { traces: 'memory' },
        http: { endpoint: `127.0.0.1:${query}` },
        grpc: { endpoint: `127.0.0.1:${grpc}` },
      },
    },
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${otlp}` } } } },
    exporters: { jaeger_storage_exporter: { trace_storage: 'memory' } },
  })
}

/** The demo, which goes on until it is closed; resolves when it has its console. */
async function startDemo(checks, env) {
  const variables = { ...process.env, ...env }
  delete variables.DATABASE_URL // An embedded one, which leaves nothing behind.
  const main = join(ROOT, 'build', 'examples', 'wallet', 'demo', 'main.js')
  const demo = spawn(process.execPath, [main], {
    cwd: ROOT,
    env: variables,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(demo, 'exit')
  checks.opened(demo, async () => {
    demo.kill('SIGTERM')
    await exit
  })
  for await (const line of createInterface({ input: demo.stdout })) {
    const [, url, token] = /the console: (http:\S+) {2}token: (\S+)/.exec(line) ?? []
    if (url === undefined) continue
    demo.stdout.resume()
    return { url, token }
  }
  throw new Error('the demo has ended')
}

async function rowsOf({ url, token }) {
  const response = await fetch(`${url}/api/internal/secret-audit?from=-1h&limit=1000`, {
    headers: { authorization: `Bearer ${token}` },
  })
  if (!response.ok) throw new Error(`the API of the console: ${response.status} ${await response.text()}`)
  return (await response.json()).rows
}

const valueOf = (list, key) => list.find((entry) => entry.key === key)?.value

/** What Jaeger has otherwise than the row, of the one span that its tag finds. */
async function disagreements(jaeger, row) {
  const about = (problem) => [`row ${row.audit_id} (${row.service_name}, ${row.outcome}): ${problem}`]
  const id = row.original_audit_id ?? row.audit_id
  const traces = await jaeger.tagged(row.service_name, 'audit.record.id', id)
  if (traces.length !== 1) return about(`its tag finds ${traces.length} traces`)
  const [trace] = traces
  if (trace.traceID !== row.trace_id)
    return about(`its tag finds the trace ${trace.traceID}, not ${row.trace_id}`)
  const span = trace.spans.find(({ tags }) => valueOf(tags, 'audit.record.id') === id)
  if (span.spanID !== row.span_id) return about(`it is the span ${span.spanID}, not ${row.span_id}`)
  const events = span.logs.filter(({ fields }) => valueOf(fields, 'event') === 'secret.access')
  if (events.length !== 1) return about(`it has ${events.length} events secret.access`)
  const [{ fields, timestamp }] = events
  const said = (name) => valueOf(fields, `secret_audit.${name}`) ?? null
  const wrong = [
    ...ROWS_OF_TEXTS.filter((column) => said(column) !== row[column]),
    ...(timestamp === microseconds(row.occurred_at) ? [] : ['occurred_at']),
    ...(isDeepStrictEqual(JSON.parse(said('attributes')), row.attributes) ? [] : ['attributes']),
  ]
  return wrong.length === 0 ? [] : about(`its event says otherwise: ${wrong.join(', ')}`)
}

/** ISO 8601 with microseconds, as microseconds since the epoch: below 2^53. */
function microseconds(iso) {
  const [, seconds, micros] = /^(.*)\.(\d{6})Z$/.exec(iso)
  return Date.parse(`${seconds}Z`) * 1000 + Number(micros)
}

/** Clicks the link of the row in the console. @returns what is wrong */
async function followed(jaeger, { url, token }, row) {
  const { launchChromium } = await import('../../build/test/support/chromium.js')
  const browser = await launchChromium()
  try {
    const context = await browser.newContext()
    await context.addInitScript((value) => sessionStorage.setItem('token', value), token)
    const page = await context.newPage()
    await page.goto(`${url}/?row=${row.audit_id}`)
    const opened = context.waitForEvent('page')
    await page.locator(`a[href*="${row.trace_id}"]`).first().click()
    const tab = await opened
    await tab.waitForLoadState()
    const shown = new URL(tab.url())
    if (shown.href !== `${jaeger.url}/trace/${row.trace_id}`) return [`it leads to ${shown.href}`]
    const [trace] = await jaeger.trace(shown.pathname.split('/').at(-1))
    const ids = trace?.spans.map(({ spanID }) => spanID) ?? []
    return ids.includes(row.span_id) ? [] : [`that trace has not the span ${row.span_id} of the row`]
  } finally {
    await browser.close()
  }
}

async function checkJaeger(checks) {
  const jaeger = await Jaeger.start(checks, await jaegerBinary((line) => console.error(line)))
  const auditFile = join(await checks.directory(), 'audit.jsonl')
  const collector = await Collector.start(checks, { jaeger: jaeger.otlpUrl, auditFile })
  const demo = await startDemo(checks, {
    DEMO_OTLP_FORWARD: collector.url,
    DEMO_TRACE_URL: `${jaeger.url}/trace/{trace_id}`,
  })
  const rows = await rowsOf(demo)
  const names = await jaeger.services()
  const services = new Set(names)
  const traced = rows.filter(({ span_id, service_name }) => span_id !== null && services.has(service_name))

  await checks.check(`Jaeger has the demo's services: ${names.join(', ')}`, async () => {
    const lacking = ['secret-provider', 'wallet-eu-central', 'wallet-us-east'].filter(
      (name) => !services.has(name),
    )
    return lacking.map((name) => `${name} is missing`)
  })
  await checks.check(
    `each of the ${traced.length} rows is found by the tag audit.record.id: its trace, its span, its event, what that says`,
    async () => {
      const faults = traced.length < 50 ? [`there are only ${traced.length}`] : []
      for (const row of traced) faults.push(...(await disagreements(jaeger, row)))
      return faults
    },
  )
  await checks.check('a tag that no span has finds nothing', async () => {
    const found = await jaeger.tagged('wallet-eu-central', 'audit.record.id', '1')
    return found.length === 0 ? [] : [`${found.length} traces`]
  })
  const denied = traced.find(({ outcome }) => outcome === 'residency_violation') ?? traced[0]
  if (process.env.CHROMIUM_PATH === undefined && !existsSync('/usr/bin/chromium')) {
    console.log("      the console's link was not followed: there is no Chromium")
  } else {
    await checks.check(`the console's link of row ${denied.audit_id} leads to its trace in Jaeger`, () =>
      followed(jaeger, demo, denied),
    )
  }
}

await runChecks(await collectorBinary((line) => console.error(line)), checkJaeger)

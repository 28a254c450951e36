import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataPointType } from '@opentelemetry/sdk-metrics'
import { describe, expect, it } from 'vitest'
import { AuditMetrics } from '../../src/otel/metrics.js'
import { scraper } from './scrape.js'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
const ALERTS = readFileSync(join(import.meta.dirname, '../../deploy/prometheus/alerts.yml'), 'utf8')
const ROW = /^\| `(noetl\.[\w.]+)` \| `(\w+)` \| (\w+) \| (\S+) \| (.+?) \| (.+) \|$/gm

interface Documented {
  readonly prometheus: string
  readonly kind: string
  readonly unit: string
  readonly labels: readonly string[]
  readonly meaning: string
}

function documented(): Map<string, Documented> {
  const rows = [...PAGE.matchAll(ROW)].map(
    ([, name = '', prometheus = '', kind = '', unit = '', labels = '', meaning = '']) => {
      const keys = labels === '–' ? [] : labels.split(', ').map((label) => label.replaceAll('`', ''))
      return [name, { prometheus, kind, unit: unit === '–' ? '' : unit, labels: keys, meaning }] as const
    },
  )
  return new Map(rows)
}

/** What a real MeterProvider and the Prometheus exporter make of our instruments. */
async function measured(): Promise<Map<string, Documented>> {
  const { collect, exposition } = scraper()
  const counted = new AuditMetrics()
  counted.cover({
    entries: () => [{ name: 'node-vault', version: '0.10.2', state: 'hooked' }],
    accesses: () => ({ client: 1, wire: 0, observed: 0 }),
  })
  counted.refresh()
  counted.recordCommit(0.001, 1)
  const types = [...(await exposition()).matchAll(/^# TYPE (noetl_\w+) (\w+)$/gm)]
  const scopes = (await collect()).scopeMetrics
  const found = scopes.flatMap(({ metrics }) => metrics)
  return new Map(
    found.map((metric, i) => {
      const [, prometheus = '', kind = ''] = types[i] ?? []
      const { name, unit, description } = metric.descriptor
      expect(metric.dataPointType === DataPointType.HISTOGRAM).toBe(kind === 'histogram')
      const labels = new Set(metric.dataPoints.flatMap(({ attributes }) => Object.keys(attributes)))
      return [name, { prometheus, kind, unit, labels: [...labels], meaning: description }]
    }),
  )
}

/** What is compared with which number, over which time: `increase metric{…}[5m] > 0`. */
function conditionsOf(expressions: readonly string[]): string[] {
  const CONDITION =
    /(absent|increase)?\(?(noetl_secret_audit_\w+(?:\{[^}]*\})?(?:\[\w+\])?)\)*(?: (>|==) (\d+))?/g
  const found = expressions.flatMap((text) =>
    [...text.replaceAll('\\|', '|').matchAll(CONDITION)].flatMap(([, how = '', what = '', than, number]) =>
      than === undefined && how !== 'absent' ? [] : [`${how} ${what} ${than ?? ''} ${number ?? ''}`.trim()],
    ),
  )
  // What has a value already when its series appears is in the same rule as the increase.
  return [...new Set(found)].sort()
}

describe('docs/metrics.md', () => {
  it('has every metric, as it is in both namings, and no other', async () => {
    expect(Object.fromEntries(documented())).toEqual(Object.fromEntries(await measured()))
    expect(documented().size).toBeGreaterThan(15)
  })

  it('alerts on metrics that there are', () => {
    const known = new Set([...documented().values()].map(({ prometheus }) => prometheus))
    const [, alerts = ''] = PAGE.split('## What to alert on')
    const used = [...alerts.matchAll(/noetl_secret_audit_\w+/g)].map(([name]) => name)
    expect(used.length).toBeGreaterThan(5)
    const ofGateway = PAGE.matchAll(/^\| `(noetl\.secret_audit\.gateway\.[\w.]+)` \| counter \|/gm)
    for (const [, name = ''] of ofGateway) known.add(`${name.replaceAll('.', '_')}_total`)
    // The server's are in docs/api.md.
    expect(used.filter((name) => !known.has(name) && !name.includes('_server_'))).toEqual([])
  })

  it('and the alerts that are shipped alert on the same', () => {
    const [, table = ''] = PAGE.split('## What to alert on')
    const documentedAlerts = [...table.matchAll(/^\| `(.+?)`(?: for [^|]*)? \|/gm)].map(
      ([, text = '']) => text,
    )
    const shipped = [...ALERTS.matchAll(/expr: (?:>-\n)?((?:.*\n)+?) *(?:for|labels):/g)].map(
      ([, text = '']) => text,
    )
    const server = /noetl_secret_audit_server_\w+/.exec(
      readFileSync(join(import.meta.dirname, '../../docs/api.md'), 'utf8'),
    )
    expect([documentedAlerts.length, shipped.length, server]).toEqual([25, 27, expect.anything()])
    expect(conditionsOf(documentedAlerts)).toEqual(conditionsOf(shipped))
  })

  it('names every status', () => {
    for (const status of ['written', 'dropped_async', 'failed_strict'])
      expect(PAGE).toContain(`\`${status}\``)
  })
})

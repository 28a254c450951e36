import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataPointType } from '@opentelemetry/sdk-metrics'
import { describe, expect, it } from 'vitest'
import { AuditMetrics } from '../../src/otel/metrics.js'
import { scraper } from './scrape.js'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
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

describe('docs/metrics.md', () => {
  it('has every metric, as it is in both namings, and no other', async () => {
    expect(Object.fromEntries(documented())).toEqual(Object.fromEntries(await measured()))
    expect(documented().size).toBeGreaterThan(15)
  })

  it('names every status', () => {
    for (const status of ['written', 'dropped_async', 'failed_strict'])
      expect(PAGE).toContain(`\`${status}\``)
  })
})

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { auditorDashboard } from '../../deploy/grafana/src/auditor-dashboard.js'
import { serviceDashboard } from '../../deploy/grafana/src/service-dashboard.js'
import { type Panel, panelsOf, type Target } from './panels-of.js'

const DASHBOARDS = join(import.meta.dirname, '../../deploy/grafana/dashboards')

const each = [
  { file: 'secret-audit.json', made: serviceDashboard() },
  { file: 'secret-review.json', made: auditorDashboard() },
]

/** `npx vitest run test/deploy/dashboards.test.ts -u` writes them anew. */
it.each(each)('$file is what its source makes', async ({ file, made }) => {
  await expect(`${JSON.stringify(made, null, 2)}\n`).toMatchFileSnapshot(join(DASHBOARDS, file))
})

describe.each(each)('$file', ({ made }) => {
  const panels: readonly Panel[] = panelsOf(made)
  const targets: readonly Target[] = panels.flatMap(({ targets = [] }) => targets)

  it('has panels that fill the width, overlap nowhere, and say what they show', () => {
    const cells = new Set<string>()
    for (const { gridPos, title, type, description } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x} ${y}`), `${title} lies on another panel`).toBe(false)
          cells.add(`${x} ${y}`)
        }
      }
      if (type !== 'row' && type !== 'text')
        expect([title, description]).toEqual([title, expect.stringMatching(/\S/)])
    }
    expect(panels.length).toBeGreaterThan(10)
  })

  it('reads the trail by partitions, without what the trail says about itself', () => {
    const statements = targets.flatMap(({ rawSql }) => (rawSql === undefined ? [] : [rawSql]))
    expect(statements.length).toBeGreaterThan(1)
    for (const sql of statements) {
      expect(sql).toContain('$__unixEpochFrom()')
      expect(sql).toContain('$__unixEpochTo()')
      expect(sql).not.toMatch(/:[A-Z]{2}/)
      expect(sql).toMatch(/credential <> 'secret_audit'|operation = 'audit_coverage'|query_trail|'lost'/)
    }
  })

  it('is read again once a minute at most, and says that this leaves no row', () => {
    expect(['1m', '']).toContain(made.refresh)
    const texts = panels.filter(({ type }) => type === 'text').map(({ options }) => options?.content ?? '')
    expect(texts.join('')).toContain('leaves no row')
  })

  it('leads to the console', () => {
    const urls = JSON.stringify(made)
    expect(urls).toContain('${console}/?row=${__value.raw:percentencode}')
    expect(made.templating?.list?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['console', 'credential']),
    )
  })
})

it('a trace id leads to the trace', () => {
  const latest = panelsOf(serviceDashboard()).find(({ title }) => title === 'Latest accesses')
  const links = latest?.fieldConfig?.overrides?.find(({ matcher }) => matcher.options === 'trace_id')
  const [{ url = '' } = {}] = (links?.properties[0]?.value ?? []) as { url?: string }[]
  const panes = new URL(url, 'http://grafana').searchParams.get('panes') ?? ''
  expect(JSON.parse(panes)).toEqual({
    trace: { datasource: 'jaeger', queries: [{ refId: 'A', query: '${__value.raw}' }] },
  })
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const page = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const METRICS = page('docs/metrics.md')
const API = page('docs/api.md')
const OPERATIONS = page('docs/operations.md')

interface Alert {
  readonly name: string
  readonly expr: string
  /** `summary`, `description`, `runbook_url`. */
  readonly annotations: Readonly<Record<string, string>>
}

/** The rules of alerts.yml, read by the indentation that they all have. */
function shipped(): Alert[] {
  const [, ...rules] = page('deploy/prometheus/alerts.yml').split(/^ {6}- alert: /m)
  return rules.map((rule) => ({
    name: /^\w+/.exec(rule)?.[0] ?? '',
    expr: /expr: (?:>-\n)?((?:.*\n)+?) *(?:for|labels):/.exec(rule)?.[1] ?? '',
    annotations: Object.fromEntries(
      [...rule.matchAll(/^ {10}(\w+): "(.*)"$/gm)].map(([, key = '', text = '']) => [key, text]),
    ),
  }))
}

/** First cells of a table whose cells begin with an expression. */
function expressionsOf(text: string): string[] {
  return [...text.matchAll(/^\| `(.+?\(.+?|.+? > .+?)`(?: for [^|]*)? \|/gm)].map(([, cell = '']) =>
    cell.replaceAll('\\|', '|'),
  )
}

const DOCUMENTED = [
  ...expressionsOf(METRICS.split('## What to alert on')[1] ?? ''),
  ...expressionsOf(API.split('Worth an alert')[1] ?? ''),
]

/** What is compared with which number, over which time: `increase metric{…}[5m] > 0`. */
function conditionsOf(expressions: readonly string[]): string[] {
  const CONDITION =
    /(absent|increase)?\(?((?:noetl_secret_audit|http_server)_\w+(?:\{[^}]*\})?(?:\[\w+\])?)\)*(?: (>|==) (\d+))?/g
  const found = expressions.flatMap((text) =>
    [...text.matchAll(CONDITION)].flatMap(([, how = '', what = '', than, number]) =>
      than === undefined && how !== 'absent' ? [] : [`${how} ${what} ${than ?? ''} ${number ?? ''}`.trim()],
    ),
  )
  // What has a value already when its series appears is in the same rule as the increase.
  return [...new Set(found)].sort()
}

/** Every metric that a page names, as Prometheus spells it; a histogram's parts too. */
function known(): Set<string> {
  const named = [...`${METRICS}${API}`.matchAll(/`((?:noetl|http)[.\w]+)`/g)].map(([, name = '']) =>
    name.replaceAll('.', '_'),
  )
  return new Set(named.flatMap((name) => [name, `${name}_total`, `${name}_count`]))
}

describe('an alert', () => {
  it('is shipped for everything that the pages call an alarm, with the same bounds, and for nothing else', () => {
    const trail = shipped()
      .filter(({ expr }) => !expr.includes('otelcol_'))
      .map(({ expr }) => expr)
    expect(DOCUMENTED.length).toBeGreaterThanOrEqual(trail.length)
    expect(trail.length).toBeGreaterThan(15)
    expect(conditionsOf(DOCUMENTED)).toEqual(conditionsOf(trail))
  })

  it('is about metrics that there are', () => {
    const used = [...shipped().map(({ expr }) => expr), ...DOCUMENTED].flatMap((expr) =>
      [...expr.matchAll(/\b(?:noetl_secret_audit|http_server)_\w+/g)].map(([name]) => name),
    )
    expect(used.filter((name) => !known().has(name))).toEqual([])
  })

  it.each(shipped())('$name says what it means, and where to read what to do', ({ name, annotations }) => {
    expect(annotations).toEqual({
      summary: expect.stringMatching(/\S/),
      description: expect.stringMatching(/\.$/),
      runbook_url: `docs/operations.md#${name.toLowerCase()}`,
    })
    const [, section = ''] = OPERATIONS.split(`\n### ${name}\n`)
    const text = section.split(/\n#{1,3} /)[0] ?? ''
    for (const part of ['**Means.**', '**Lost.**', '**Do.**'])
      expect(text, `${part} of ${name}`).toContain(part)
  })

  it.each(shipped())(
    '$name has a test of promtool in which it is raised, and one in which it is not',
    ({ name }) => {
      const tests = page('deploy/prometheus/alerts.test.yml')
      expect(tests).toMatch(new RegExp(`alertname: ${name}\\n +exp_alerts:\\n`))
      expect(tests).toMatch(new RegExp(`\\{ eval_time: \\w+, alertname: ${name} \\}`))
    },
  )
})

it('the page about operations has no section for an alert that is gone', () => {
  const [, alerts = ''] = OPERATIONS.split('\n## Alerts\n')
  const sections = [...(alerts.split(/\n## /)[0] ?? '').matchAll(/^### (\w+)$/gm)].map(
    ([, name = '']) => name,
  )
  expect(sections.sort()).toEqual(
    shipped()
      .map(({ name }) => name)
      .sort(),
  )
})

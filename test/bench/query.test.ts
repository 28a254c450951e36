import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { queryBenchOptions } from '../../bench/query/options.js'
import type { queryReport } from '../../bench/query/report.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'

// `npm run bench:query` in small. How long a query takes is nobody's business here.

type Report = ReturnType<typeof queryReport>['json']

const ROWS = 20_000
const QUERIES = 5
const KINDS = [
  'credential_hot',
  'credential_rare',
  'execution',
  'outcome_denied',
  'outcome_rare',
  'first_page',
  'deep_page',
]

function queryBench(...args: readonly string[]): Program {
  const main = join(packageRoot(), 'build', 'bench', 'query', 'main.js')
  const program = new Program({ args: [main, ...args], cwd: packageRoot() })
  onTestFinished(() => program.kill())
  return program
}

describe('a benchmark of reading', () => {
  test('fills a trail, asks in every way, and tells by which indexes the rows were found', async () => {
    const bench = queryBench('--rows', `${ROWS}`, '--queries', `${QUERIES}`, '--seed', '7', '--json')
    expect(await bench.exit, bench.stderr).toEqual({ code: 0, signal: null })
    const lines = bench.stdout.trimEnd().split('\n')
    const report = JSON.parse(lines.pop() ?? '') as Report

    expect(report).toMatchObject({ rows: ROWS, queries: QUERIES, seed: 7 })
    expect(report.bytes).toBeGreaterThan(ROWS * 100)
    expect(report.kinds.map(({ kind }) => kind)).toEqual(KINDS)
    for (const kind of report.kinds) {
      expect(kind.queries).toBe(QUERIES)
      expect(kind.plans.reduce((sum, { queries }) => sum + queries, 0)).toBe(QUERIES)
      expect(kind.p50_ms).toBeGreaterThan(0)
      expect(kind.p95_ms).toBeGreaterThanOrEqual(kind.p50_ms)
      expect(kind.max_ms).toBeGreaterThanOrEqual(kind.p95_ms)
      expect(kind.goal).toEqual({ p95_ms: 50, met: kind.p95_ms < 50 })
      expect(lines.find((line) => line.startsWith(kind.kind))).toContain(kind.goal.met ? 'met' : 'not met')
    }
    const rowsOf = (name: string) => report.kinds.find(({ kind }) => kind === name)?.rows_median
    expect(rowsOf('execution')).toBeGreaterThanOrEqual(1)
    expect(rowsOf('execution')).toBeLessThanOrEqual(20)
    expect(rowsOf('first_page')).toBe(100)
    expect(rowsOf('deep_page')).toBeGreaterThanOrEqual(50)

    // Ninety days are in four months, or five.
    const scans = report.kinds.flatMap(({ kind, plans }) =>
      plans.flatMap((plan) => plan.scans.map((scan) => ({ kind, ...scan }))),
    )
    for (const { kind, index, nodes, partitions } of scans) {
      expect(index, `${kind}: ${nodes.join()}`).toMatch(/^secret_audit_[a-z_]+$/)
      expect(partitions.least).toBeGreaterThanOrEqual(1)
      expect(partitions.most).toBeLessThanOrEqual(5)
    }
    // In a trail this small, what is frequent is found as soon by the primary key as by an index of its own.
    expect(indexesOf(report, 'credential_rare')).toContain('secret_audit_credential_time')
    expect(indexesOf(report, 'execution')).toEqual(['secret_audit_execution'])
    expect(indexesOf(report, 'outcome_rare')).toContain('secret_audit_not_ok')
    expect(indexesOf(report, 'first_page')).toEqual(['secret_audit_pkey'])
    expect(indexesOf(report, 'deep_page')).toEqual(['secret_audit_pkey'])
  })

  test.each([
    [['--rows', '100'], '--rows must be a number from 4200 to 100000000'],
    [['--rows', 'many'], '--rows must be a number'],
    [['--queries', '0'], '--queries must be a number'],
    [['--queries', '1.5'], '--queries must be a whole number'],
    [['--seed=-1'], '--seed must be a number'],
    [['--row', '10000'], `Unknown option '--row'`],
  ])('refuses %j, and says why', async (args, why) => {
    expect(() => queryBenchOptions(args)).toThrow(TypeError)
    const bench = queryBench(...args)
    expect(await bench.exit).toEqual({ code: 1, signal: null })
    expect(bench.stderr).toContain(`bench:query: ${why}`)
    expect(bench.stdout).toBe('')
  })

  test('has a help with an example that it understands', async () => {
    const bench = queryBench('--help')
    expect(await bench.exit).toEqual({ code: 0, signal: null })
    const example = /^ {2}npm run bench:query -- (--rows \d+ .*)$/m.exec(bench.stdout)?.[1] ?? ''
    expect(queryBenchOptions(example.split(' '))).toMatchObject({ rows: 200_000, queries: 20 })
  })
})

function indexesOf({ kinds }: Report, name: string): (string | null)[] {
  const plans = kinds.find(({ kind }) => kind === name)?.plans ?? []
  return [...new Set(plans.flatMap(({ scans }) => scans.map(({ index }) => index)))]
}

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { benchOptions, HELP, PARTS } from '../../bench/options.js'
import { plan } from '../../bench/plan.js'
import { packageRoot } from '../support/postgres/package-root.js'

const SHORT = ['--rounds', '1', '--seconds', '0.05', '--warm-up', '64', '--rows', '128']
const DRAIN = ['--drain', '1000', '--table', '0']

/** `npm run bench` without the build before it. */
async function bench(...args: readonly string[]): Promise<string> {
  const script = join(packageRoot(), 'build', 'bench', 'main.js')
  return (await promisify(execFile)(process.execPath, [script, ...args])).stdout
}

/** Processor time of threads and of other processes is told by Linux only. */
const onLinux = process.platform === 'linux' ? expect.any(Number) : null
const cost = {
  rps: expect.any(Number),
  p50_ms: expect.any(Number),
  p99_ms: expect.any(Number),
  main_us: onLinux,
  node_us: expect.any(Number),
  postgres_us: onLinux,
}
const both = { ours: cost, original: cost }
const compared = { 1: both, 8: both, 64: both, 256: both }

/** Of the row of a table that is about so many callers. */
const cells = (text: string, callers: number): readonly number[] =>
  (text.split('\n').find((line) => new RegExp(`^${callers} +\\d`).test(line)) ?? '').split(/ +/).map(Number)

describe('npm run bench', () => {
  test('prints its tables, and with --json the result in the last line', async () => {
    const lines = (await bench('--quick', ...SHORT, ...DRAIN, '--json')).trimEnd().split('\n')
    const result: unknown = JSON.parse(lines.pop() ?? '')
    expect(result).toEqual({
      strict_stock: compared,
      strict_own: compared,
      untraced: compared,
      far: compared,
      record_async_over_span: expect.any(Number),
      spool_over_lmdb: expect.any(Number),
      verify_rows_per_core_second: expect.any(Number),
      drain_rows_per_second: expect.any(Number),
      acked_missing: 0,
    })
    expect(lines[0]).toMatch(/fsync on, .* a flush of its disk takes \d+\.\d\d ms/)
    const text = lines.join('\n')
    expect(text).toMatch(/acknowledged events: [1-9]\d*, not in the table: 0/)
    expect(text).toMatch(/spans exported: [1-9]\d*, failed: 0/)
    expect(text).toMatch(/verify: .* 128 rows, 0 findings/)
    expect(text).toMatch(/drain: .* of 1000 events in the spool, into a table of 0 rows/)
    expect(lines.filter((line) => /^Strict, .* a round trip takes/.test(line))).toHaveLength(4)
    expect(lines.filter((line) => / (not )?met$/.test(line))).toHaveLength(16)
    // Of each row of the tables: rows a second, median and 99th percentile on both sides, and what each costs.
    for (const callers of [1, 8, 64, 256]) expect(cells(text, callers)).toHaveLength(16)
  })

  test('measures one part, with a network and a disk made slower', async () => {
    const text = await bench(...SHORT, '--only', 'untraced', '--network', '20', '--flush', '30')
    const [, roundTrip, commit] = /a round trip takes (\S+) ms, a commit (\S+) ms/.exec(text) ?? []
    expect(Number(roundTrip)).toBeGreaterThan(20)
    expect(Number(commit)).toBeGreaterThan(50)
    expect(text).toContain('Strict, without tracing; network +20 ms, flush +30 ms')
    expect(text).not.toContain('OTLP')
    expect(text).not.toContain('verify:')
    // A single caller waits for one round trip and one flush a row.
    const [, , , , ours, original] = cells(text, 1)
    expect(ours).toBeGreaterThan(50)
    expect(original).toBeGreaterThan(50)
  })
})

test('without --quick all conditions are measured, each once', () => {
  const every = plan(benchOptions([]))
  expect(every).toHaveLength(27)
  expect(new Set(every.map((planned) => JSON.stringify(planned))).size).toBe(27)
  expect(plan(benchOptions(['--quick']))).toEqual(every.slice(0, 4))
  expect(plan(benchOptions(['--only', 'far']))).toEqual([
    { tracing: 'stock', condition: { networkMs: 0.5, flushMs: 1 } },
  ])
})

test.each([
  ['--only', 'everything'],
  ['--rounds', '0'],
  ['--rows', '1.5'],
  ['--seconds', ''],
  ['--network', '-1'],
  ['--flush', '101'],
  ['--drain', '999'],
  ['--table', '1'],
  ['--warm-up', '0.5'],
  ['--fast'],
])('refuses %s %s', (...args) => {
  expect(() => benchOptions(args)).toThrow(TypeError)
})

test('the help names every part', () => {
  for (const part of PARTS) expect(HELP).toContain(part)
})

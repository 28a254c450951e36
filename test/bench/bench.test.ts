import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { benchOptions, HELP, PARTS } from '../../bench/options.js'
import { packageRoot } from '../support/postgres/package-root.js'

const SHORT = ['--rounds', '1', '--seconds', '0.05', '--rows', '128']

/** `npm run bench` without the build before it. */
async function bench(...args: readonly string[]): Promise<string> {
  const script = join(packageRoot(), 'build', 'bench', 'main.js')
  return (await promisify(execFile)(process.execPath, [script, ...args])).stdout
}

const speed = { rps: expect.any(Number), p50_ms: expect.any(Number), p99_ms: expect.any(Number) }

describe('npm run bench', () => {
  test('prints its table, and with --json the result in the last line', async () => {
    const lines = (await bench(...SHORT, '--json')).trimEnd().split('\n')
    const result: unknown = JSON.parse(lines.pop() ?? '')
    const both = { ours: speed, original: speed }
    expect(result).toMatchObject({
      strict: { 1: both, 8: both, 64: both, 256: both },
      untraced: { 1: both, 8: both, 64: both, 256: both },
      record_async_over_span: expect.any(Number),
      spool_over_lmdb: expect.any(Number),
      verify: { rows: 128, findings: 0 },
      acked_missing: 0,
      spans: { failed: 0 },
    })
    expect(lines[0]).toMatch(/fsync on, .* a flush of its disk takes \d+\.\d\d ms/)
    expect(lines.join('\n')).toMatch(/acknowledged events: [1-9]\d*, not in the table: 0/)
    expect(lines.filter((line) => / (not )?met /.test(line))).toHaveLength(6)
  })

  test('measures one part, on a disk made slower', async () => {
    const text = await bench(...SHORT, '--only', 'untraced', '--commit-delay', '20000')
    const [, delayed] = /a flush of its disk takes (\d+\.\d\d) ms/.exec(text) ?? []
    expect(Number(delayed)).toBeGreaterThan(20)
    expect(text).toContain('Strict, without any tracing')
    expect(text).not.toContain('with tracing')
    expect(text).not.toContain('verify:')
    // A single caller waits for one flush a row.
    const cells =
      text
        .split('\n')
        .find((line) => /^1 +\d/.test(line))
        ?.split(/ +/) ?? []
    expect(Number(cells[4])).toBeGreaterThan(20)
    expect(Number(cells[5])).toBeGreaterThan(20)
  })
})

test.each([
  ['--only', 'everything'],
  ['--rounds', '0'],
  ['--rows', '1.5'],
  ['--seconds', ''],
  ['--commit-delay', '100001'],
  ['--fast'],
])('refuses %s %s', (...args) => {
  expect(() => benchOptions(args)).toThrow(TypeError)
})

test('the help names every part', () => {
  for (const part of PARTS) expect(HELP).toContain(part)
})

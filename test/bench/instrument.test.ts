import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { instrumentBenchOptions } from '../../bench/instrument/options.js'
import type { instrumentReport } from '../../bench/instrument/report.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'

// `npm run bench:instrument` in small. How long a call takes is nobody's business here.

type Report = ReturnType<typeof instrumentReport>['json']

function instrumentBench(...args: readonly string[]): Program {
  const main = join(packageRoot(), 'build', 'bench', 'instrument', 'main.js')
  const program = new Program({ args: [main, ...args], cwd: packageRoot() })
  onTestFinished(() => program.kill())
  return program
}

test('measures what is audited beside what is not, with a row for each access and for nothing else', async () => {
  const bench = instrumentBench('--rounds', '2', '--calls', '5', '--json')
  expect(await bench.exit, bench.stderr).toEqual({ code: 0, signal: null })
  const lines = bench.stdout.trimEnd().split('\n')
  const report = JSON.parse(lines.pop() ?? '') as Report
  expect(report).toMatchObject({ rounds: 2, calls: 5 })
  expect(report.cases.map(({ name, rows_per_call }) => [name, rows_per_call])).toEqual([
    ['AWS SDK v3', 1],
    ['node-vault', 1],
    ['fetch, of a Vault', 1],
    ['fetch, other', 0],
    ['node:http, other', 0],
  ])
  for (const { name, bare_us } of report.cases) {
    expect(bare_us).toBeGreaterThan(0)
    expect(lines.some((line) => line.startsWith(name))).toBe(true)
  }
  expect(report.recognise).toHaveLength(3)
})

test('has a help, and refuses what it does not know', async () => {
  const help = instrumentBench('--help')
  expect(await help.exit).toEqual({ code: 0, signal: null })
  expect(help.stdout).toContain('npm run bench:instrument')
  expect(() => instrumentBenchOptions(['--rounds', '0'])).toThrow(TypeError)
  expect(() => instrumentBenchOptions(['--what'])).toThrow(TypeError)
})

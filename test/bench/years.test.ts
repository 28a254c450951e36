import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { yearsOptions } from '../../bench/years/options.js'
import { serverAccount, temporaryDirectory } from '../../src/cli/run/embedded/account.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { clusterProcesses } from '../support/postgres/processes.mjs'
import { Program } from '../support/program.js'

// `npm run bench:years` in small. How long something takes is nobody's business here.

interface Report {
  readonly acked_missing: number
  readonly trails: readonly {
    readonly rows: number
    readonly bytes: number
    readonly partitions: number
    readonly reading?: readonly { readonly kind: string; readonly p95_ms: number }[]
    readonly insert?: { readonly acknowledged: number; readonly missing: number }
    readonly verify?: {
      readonly whole: { readonly rows: number }
      readonly day: { readonly rows: number; readonly again: number }
    }
    readonly archive?: { readonly rows: number; readonly copy: object }
    readonly hitches?: Readonly<Record<'without' | 'made' | 'retired', { readonly calls: number }>>
    readonly goals: readonly { readonly what: string; readonly met: boolean }[]
  }[]
}

const ROWS = 20_000
const SMALL = ['--rows', `${ROWS}`, '--months', '3', '--credentials', '500', '--seed', '7']

function yearsBench(...args: readonly string[]): Program {
  const main = join(packageRoot(), 'build', 'bench', 'years', 'main.js')
  const program = new Program({ args: [main, ...args], cwd: packageRoot() })
  onTestFinished(() => program.kill())
  return program
}

async function report(bench: Program): Promise<Report> {
  expect(await bench.exit, bench.stderr).toEqual({ code: 0, signal: null })
  return JSON.parse(bench.stdout.trimEnd().split('\n').pop() ?? '') as Report
}

describe('a benchmark of years', () => {
  test('fills a trail that verifies, and measures what becomes of it', async () => {
    const bench = yearsBench(...SMALL, '--queries', '2', '--rounds', '1', '--seconds', '1', '--json')
    const { trails, acked_missing } = await report(bench)
    expect(acked_missing).toBe(0)
    const [trail] = trails
    expect(trails).toHaveLength(1)
    expect(trail).toMatchObject({ rows: ROWS, insert: { missing: 0 } })
    // Three months, and twelve to come.
    expect(trail?.partitions).toBe(15)
    expect(trail?.bytes).toBeGreaterThan(ROWS * 100)
    expect(trail?.reading?.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['first_page', 'credential_hot', 'credential_ever', 'window', 'summary_hour']),
    )
    // It verifies: else the command had ended with 1. A month is retired by then; a day has some 300 rows.
    const { whole, day } = trail?.verify ?? {}
    expect(whole?.rows).toBeGreaterThan(ROWS / 2)
    expect((day?.rows ?? 0) - (day?.again ?? 0)).toBeGreaterThan(200)
    expect(day?.rows).toBeLessThan(ROWS / 2)
    expect(trail?.archive?.rows).toBeGreaterThan(ROWS / 6)
    for (const time of ['without', 'made', 'retired'] as const) {
      expect(trail?.hitches?.[time].calls).toBeGreaterThan(0)
    }
    expect(trail?.goals.length).toBeGreaterThan(10)
    expect(bench.stdout).toContain('while one is retired')
    expect(bench.stdout).toContain('acknowledged events that are not in the table: 0')
  })

  test('keeps a trail where it is told to, and finds it there again', async () => {
    const directory = await mkdtemp(join(temporaryDirectory(serverAccount()), 'otel-audit years '))
    onTestFinished(() => rm(directory, { recursive: true }))
    await chmod(directory, 0o755)
    const kept = [...SMALL, '--keep', directory, '--json']
    const filled = await report(yearsBench(...kept, '--only', 'fill'))
    expect(filled.trails[0]).not.toHaveProperty('verify')
    const [cluster = ''] = (await readdir(directory)).filter((name) => name.startsWith('otel-audit-postgres'))
    expect(clusterProcesses(cluster)).toEqual([])

    const again = yearsBench(...kept, '--only', 'verify')
    expect((await report(again)).trails[0]?.verify?.whole.rows).toBe(ROWS)
    expect(again.stderr).not.toContain('rows are written')

    const other = yearsBench(...kept, '--only', 'verify', '--credentials', '600')
    expect(await other.exit).toEqual({ code: 1, signal: null })
    expect(other.stderr).toContain('was filled with --credentials 500, not 600')
  })

  test.each([
    [['--rows', '100'], '--rows must be a number from 20000 to 1000000000'],
    [['--rows', '20000,many'], '--rows must be a number'],
    [['--months', '2'], '--months must be a number'],
    [
      ['--only', 'everything'],
      '--only takes queries, insert, archive, months, verify and fill; got everything',
    ],
    [['--row', '20000'], `Unknown option '--row'`],
  ])('refuses %j, and says why', async (args, why) => {
    expect(() => yearsOptions(args)).toThrow(TypeError)
    const bench = yearsBench(...args)
    expect(await bench.exit).toEqual({ code: 1, signal: null })
    expect(bench.stderr).toContain(`bench:years: ${why}`)
    expect(bench.stdout).toBe('')
  })

  test('has a help with examples that it understands', async () => {
    const bench = yearsBench('--help')
    expect(await bench.exit).toEqual({ code: 0, signal: null })
    const examples = [...bench.stdout.matchAll(/^ {2}npm run bench:years -- (--rows \d+.*)$/gm)]
    const [small, whole] = examples.map(([, args = '']) => yearsOptions(args.split(' ')))
    expect(small).toMatchObject({ rows: [200_000], queries: 20, rounds: 1, seconds: 2 })
    expect(whole).toMatchObject({ rows: [1_000_000, 10_000_000, 50_000_000], keep: '/var/tmp/years' })
  })
})

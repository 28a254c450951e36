import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OldTrail } from '../archive/old-trail.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { commandsIn, problemOf } from './commands.js'

// The page on retention, as somebody follows it who has a trail of two years: every command as it is printed, in its order.

const PAGE = readFileSync(join(packageRoot(), 'docs', 'retention.md'), 'utf8')
const MONTHS = 27
const DAY = 86_400_000

let trail: OldTrail
let home: string

beforeAll(async () => {
  trail = await OldTrail.create(MONTHS)
  for (let month = 0; month < MONTHS; month++) {
    const fields = { actorId: 'jane', actorType: 'user' } as const
    await trail.write(
      trail.event(month, 100, { credential: 'orders-db', ...fields }),
      trail.event(month, 101, { credential: 'payments-eu', ...fields }),
      trail.event(month + 1, 1, { credential: 'orders-db' }),
    )
  }
  home = mkdtempSync(join(tmpdir(), 'otel-audit-page-'))
  mkdirSync(join(home, 'bin'))
  const main = join(packageRoot(), 'dist', 'cli', 'main.js')
  writeFileSync(join(home, 'bin', 'otel-audit'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
  chmodSync(join(home, 'bin', 'otel-audit'), 0o755)
  // What a trail has before: the name of its log, and what rows without a block mean.
  writeFileSync(join(home, 'audit.trust'), 'origin otel-audit/wallet\nunsigned any\n')
})

afterAll(async () => {
  rmSync(home, { recursive: true })
  await trail.drop()
})

/** Blocks of the shell, without those that need more than this machine, and without lines that do not end. */
const BLOCKS = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)]
  .map(([, block = '']) => block)
  .filter((block) => !/s3:\/\/|^aws |^npm install/m.test(block))
  .map((block) =>
    block
      .split('\n')
      .filter((line) => !/--watch|otel-audit serve/.test(line))
      .join('\n'),
  )

/** Its places and dates are those of an example. */
function here(script: string): string {
  const date = (month: number): string => new Date(trail.months[month] ?? 0).toISOString().slice(0, 10)
  const [quarter = ''] = trail.months.flatMap((start) => {
    const at = new Date(start)
    return at.getUTCMonth() % 3 === 0 ? [`${at.getUTCFullYear()}Q${at.getUTCMonth() / 3 + 1}`] : []
  })
  return script
    .replaceAll('postgres://owner@db.example/app', trail.database.url)
    .replaceAll('/archive/wallet', join(home, 'archive', 'wallet'))
    .replaceAll('2024Q1', quarter)
    .replaceAll(/2024-0([1-4])-01/g, (_, month: string) => date(Number(month) - 1))
    .replaceAll('--id 3', '--id 1')
}

test('names commands and flags that there are', () => {
  const commands = commandsIn(PAGE).filter((line) => !/ (DIR|FILE|DATE)\b/.test(line))
  expect(commands.length).toBeGreaterThan(15)
  expect(commands.flatMap((line) => problemOf(line) ?? [])).toEqual([])
})

test('each command runs as it is printed, one after the other', async () => {
  const script = here(BLOCKS.join('\n'))
  expect(script.match(/^otel-audit /gm)?.length).toBeGreaterThan(12)
  const env = {
    PATH: `${join(home, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`,
    NOETL_SECRET_AUDIT_ORIGIN: 'otel-audit/wallet',
  }
  const { stdout, stderr } = await promisify(execFile)('sh', ['-e', '-x', '-c', script], { cwd: home, env })
  expect(stdout).toMatch(/partitions archived and proven/)
  // The policy of a year, and then that of three months: each retires what is older.
  expect(stdout.match(/: retired: its \d+ rows are in/g)?.length).toBeGreaterThan(MONTHS - 7)
  expect(stdout).toContain('hold 1 on payments-*')
  expect(stdout).toContain('"credential":"orders-db"')
  expect(readFileSync(join(home, 'payments.ndjson'), 'utf8')).toContain('"credential":"payments-eu"')
  expect(readdirSync(home).filter((name) => name.startsWith('access-review-'))).toHaveLength(1)
  expect(stderr).not.toMatch(/^AUDIT_/m)
  const { rows } = await trail.owner.query<{ partition: string }>(
    'select partition from noetl.secret_audit_partitions() where to_id < noetl.secret_audit_month_start_id($1::timestamptz::timestamp)',
    [new Date(Date.now() - 92 * DAY)],
  )
  expect(rows).toEqual([])
})

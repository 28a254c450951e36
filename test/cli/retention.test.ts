import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { OldTrail } from '../archive/old-trail.js'
import { readTrail } from '../support/trail.js'
import { otelAudit, type Result } from './otel-audit.js'

const ORIGIN = 'otel-audit/wallet'
/** Nothing of what is refused gets as far as that. */
const NOWHERE = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nowhere' }
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

let trail: OldTrail
let files: string
let place: string
let trust: string
let env: Record<string, string>

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'otel-audit-retention-'))
  const key = join(files, 'retention.pem')
  const made = await otelAudit(['keys', 'create', '--retention', '--origin', ORIGIN, '--out', key])
  expect(made.stdout).toMatch(/^retention otel-audit\/wallet\/retention\+[0-9a-f]{8}\+\S+\n$/)
  trust = join(files, 'audit.trust')
  writeFileSync(trust, `origin ${ORIGIN}\n${made.stdout}unsigned any\n`)
  env = { NOETL_SECRET_AUDIT_RETENTION_KEY_FILE: key, NOETL_SECRET_AUDIT_ORIGIN: ORIGIN }
})

afterAll(() => rmSync(files, { recursive: true }))

beforeEach(async () => {
  trail = await OldTrail.create(3)
  await trail.fill()
  place = join(files, trail.database.name)
})

afterEach(() => trail.drop())

const run = (...args: string[]): Promise<Result> =>
  otelAudit(args, { ...env, DATABASE_URL: trail.database.url })
const date = (month: number): string => new Date(trail.months[month] ?? 0).toISOString().slice(0, 10)
const verified = async (...args: string[]): Promise<[number | null, Record<string, unknown>]> => {
  const { code, stdout } = await run('verify', '--trust', trust, '--format', 'json', ...args)
  return [code, JSON.parse(stdout || '{}') as Record<string, unknown>]
}

describe('from the command line', () => {
  beforeEach(async () => {
    trail = await OldTrail.create(3)
    await trail.fill()
    place = join(files, trail.database.name)
  })

  afterEach(() => trail.drop())

  test('a month is archived, verified without a database, retired, and verified with its archive', async () => {
    const dry = await run('archive', '--before', date(2), '--to', place, '--dry-run')
    expect([dry.code, dry.stdout]).toEqual([
      0,
      expect.stringMatching(/^(secret_audit_\w+ would be archived\n){2}0 are/),
    ])
    const archived = await run('archive', '--before', date(2), '--to', place, '--trust', trust)
    expect(archived).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('2 partitions archived and proven, 14 rows'),
    })
    const again = await run('archive', '--before', date(2), '--to', place)
    expect(again).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('0 partitions archived and proven'),
    })

    const offline = await otelAudit(['verify', '--trust', trust, '--archive', place, '--format', 'json'])
    expect([offline.code, JSON.parse(offline.stdout)]).toMatchObject([
      0,
      { rows: { proven: 13, unsigned: 1 } },
    ])

    const plan = await run('retire', '--before', date(2), '--dry-run')
    expect([plan.code, plan.stdout]).toEqual([
      0,
      expect.stringMatching(/^(secret_audit_\w+: would be retired: .*\n){2}$/),
    ])
    const retired = await run('retire', '--before', date(2), '--trust', trust)
    expect(retired).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^(secret_audit_\w+: retired: .*\n){2}$/),
    })
    expect(await run('retire', '--before', date(2))).toMatchObject({
      code: 0,
      stdout: 'there is nothing to retire\n',
    })
    const [code, report] = await verified()
    expect([code, report['findings'], report['retention']]).toEqual([
      0,
      {},
      { retired: 2, retiring: 0, archives: 2, chains: 1 },
    ])
    expect((await verified('--with-archive', place))[0]).toBe(0)
    const table = await run('verify', '--trust', trust, '--format', 'table')
    expect(table.stdout).toContain(
      'retention  2 partitions retired, 0 being retired; 2 archives named; the first blocks of 1 chains',
    )

    const rows = (await readTrail(trail.owner)).filter(({ event }) => event.operation === 'audit_retention')
    const said = rows.map(({ event }) => (JSON.parse(event.attributesJson ?? '') as { state: string }).state)
    const states = ['archived', 'archived', 'retiring', 'retired', 'retiring', 'retired', 'chain starts']
    expect(said).toEqual(states)
    // The private key goes nowhere.
    const secret =
      readFileSync(env['NOETL_SECRET_AUDIT_RETENTION_KEY_FILE'] ?? '', 'utf8').split('\n')[1] ?? '?'
    const printed = [dry, archived, again, offline, plan, retired, table].map(
      (one) => one.stdout + one.stderr,
    )
    const stored = readdirSync(place, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    for (const text of [...printed, ...stored, JSON.stringify(rows, (_, value: unknown) => String(value))])
      expect(text).not.toContain(secret)
  })

  test('an archive that is not as it was is found, alone and with the trail', async () => {
    await run('archive', '--before', date(2), '--to', place)
    await run('retire', '--before', date(2))
    const [first = '', second = ''] = readdirSync(place).toSorted()
    const file = join(place, first, 'rows-000001.ndjson.gz')
    const bytes = readFileSync(file)
    writeFileSync(file, bytes.subarray(1))
    const offline = await otelAudit(['verify', '--trust', trust, '--archive', place, '--format', 'table'])
    expect([offline.code, offline.stdout]).toEqual([
      1,
      expect.stringContaining(`${first}/rows-000001.ndjson.gz is cut off`),
    ])
    const [code, report] = await verified('--with-archive', place)
    expect([code, report['findings']]).toEqual([1, { 'archive-file': 1 }])
    writeFileSync(file, bytes)
    rmSync(join(place, second), { recursive: true })
    expect((await verified('--archive', place))[0]).toBe(0)
    const [missing, told] = await verified('--with-archive', place)
    expect([missing, told['findings']]).toEqual([1, { 'archive-missing': 2 }])
    expect((await otelAudit(['verify', '--trust', trust, '--archive', join(files, 'nowhere')])).code).toBe(2)
  })

  test('what was retired is looked for in all places that are given', async () => {
    const next = `${place}-next`
    for (const [month, to] of [
      [1, place],
      [2, next],
    ] as const) {
      await run('archive', '--before', date(month), '--to', to)
      expect((await run('retire', '--before', date(month))).code).toBe(0)
    }
    const both = await run('verify', '--trust', trust, '--with-archive', place, '--with-archive', next)
    expect(both).toMatchObject({ code: 0, stderr: expect.stringContaining(`archives of 7 rows in ${next}`) })
    expect((await verified('--with-archive', place, next))[0]).toBe(0)
    const [code, report] = await verified('--with-archive', next)
    expect([code, report['findings']]).toEqual([1, { 'archive-missing': 1 }])
  })

  test('a held month stays, and the trail says who held it', async () => {
    await trail.write(trail.event(0, 70, { credential: 'payments-eu' }))
    await run('archive', '--before', date(2), '--to', place)
    const held = await run(
      'hold',
      'add',
      '--credential',
      'payments-*',
      '--from',
      date(0),
      '--reason',
      'case 17',
    )
    expect(held).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('hold 1 on payments-*\n  payments-eu\n'),
    })
    const refused = await run('retire', '--before', date(2))
    expect([refused.code, refused.stdout]).toEqual([
      1,
      expect.stringContaining('held: hold 1 on payments-* (case 17)'),
    ])
    expect((await run('hold', 'list')).stdout).toContain('case 17')
    const late = await run('hold', 'add', '--credential', 'nobody', '--to', date(2), '--reason', 'x')
    expect(late.stdout).toContain(`was retired: it is in the archive ${place}`)
    expect(late.stdout).toContain('no credential of the trail has that name')
    expect(await run('hold', 'release', '--id', '1', '--reason', 'closed')).toMatchObject({ code: 0 })
    expect(await run('hold', 'release', '--id', '1', '--reason', 'closed')).toMatchObject({ code: 1 })
    const holds = JSON.parse((await run('hold', 'list', '--all', '--format', 'json')).stdout) as {
      releasedAt: string
    }[]
    expect(holds.map(({ releasedAt }) => releasedAt !== null)).toEqual([true, false])
    expect(await run('retire', '--before', date(2))).toMatchObject({ code: 0 })
    const rows = (await readTrail(trail.owner)).filter(({ event }) => event.operation === 'audit_hold')
    expect(rows).toHaveLength(3)
  })

  test('killed at random, it is run again, and goes on', async () => {
    const stored = (await readTrail(trail.owner)).map(({ event }) => event.auditId)
    const killed = (args: readonly string[], ms: number): Promise<number | null> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, [MAIN, ...args], {
          env: { ...env, DATABASE_URL: trail.database.url },
          stdio: 'ignore',
        })
        const timer = setTimeout(() => child.kill('SIGKILL'), ms)
        child.once('close', (code) => {
          clearTimeout(timer)
          resolve(code)
        })
      })
    // From when it has started to when it would end: how long that takes depends on the machine.
    const since = performance.now()
    await run('archive', '--before', date(2), '--to', place, '--dry-run')
    const starts = performance.now() - since
    const archiving = ['archive', '--before', date(2), '--to', place]
    for (const part of [0.7, 0.9, 1, 1.1, 1.25]) await killed(archiving, starts * part)
    expect((await run('archive', '--before', date(2), '--to', place)).code).toBe(0)
    for (const part of [0.7, 0.85, 0.95, 1, 1.05, 1.1, 1.2, 1.3])
      await killed(['retire', '--before', date(2)], starts * part)
    expect((await run('retire', '--before', date(2))).code).toBe(0)
    expect((await verified('--with-archive', place))[0]).toBe(0)
    const [, { rows }] = (await verified('--archive', place)) as [unknown, { rows: Record<string, number> }]
    const live = (await readTrail(trail.owner)).map(({ event }) => event.auditId)
    const above = stored.filter((id) => id >= trail.bound(2))
    expect((rows['proven'] ?? 0) + (rows['unsigned'] ?? 0)).toBe(stored.length - above.length)
    expect(above.every((id) => live.includes(id))).toBe(true)
  })
})

describe('archives are asked as the trail was', () => {
  beforeAll(async () => {
    trail = await OldTrail.create(3)
    await trail.fill()
    place = join(files, trail.database.name)
  })

  afterAll(() => trail.drop())

  test('and give the same output, offline too', async () => {
    const window = ['--from', date(0), '--to', date(2)]
    const questions = [
      ['query', ...window, '--format', 'json'],
      ['query', ...window, '--format', 'csv', '--credential', 'key-1'],
      ['query', ...window, '--limit', '2', '--outcome', 'not-ok'],
      ['summary', ...window, '--by', 'credential', '--format', 'json'],
      ['export', ...window, '--format', 'ndjson'],
      ['export', ...window, '--format', 'csv', '--credential', 'key-*'],
      ['export', ...window, '--format', 'ocsf'],
      ['export', ...window, '--format', 'ecs'],
      ['query', ...window, '--format', 'table', '--own', 'include', '--hours', '!mo-su 00:00-00:01'],
      ['summary', ...window, '--by', 'operation', '--order', 'dormant', '--format', 'csv'],
    ]
    const before: Result[] = []
    for (const question of questions) before.push(await run(...question))
    expect(before.map(({ code, stderr }) => [code, code === 0 ? '' : stderr])).toEqual(
      questions.map(() => [0, '']),
    )
    await run('archive', '--before', date(2), '--to', place)
    await run('retire', '--before', date(2))
    for (const [i, question] of questions.entries()) {
      const offline = await otelAudit([...question, '--archive', place, '--trust', trust])
      expect([offline.code, offline.stdout]).toEqual([0, before[i]?.stdout])
      expect(offline.stderr).toContain('not recorded in the trail')
    }
    const recorded = await run('query', ...window, '--archive', place)
    expect([recorded.code, recorded.stderr]).toEqual([
      0,
      expect.stringContaining('who has signed these archives'),
    ])
    const rows = (await readTrail(trail.owner)).filter(({ event }) => event.operation === 'query_trail')
    expect(rows.at(-1)?.event.attributesJson).toContain(JSON.stringify(JSON.stringify(place)).slice(1, -1))
  })

  test('but for a file with a manifest, and what is not in order', async () => {
    const output = await run('export', '--archive', place, '--output', join(files, 'x.ndjson'))
    expect([output.code, output.stderr]).toEqual([
      2,
      expect.stringContaining('an archive has a manifest of its own'),
    ])
    const nowhere = await otelAudit(['query', '--archive', join(files, 'nowhere')])
    expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining('there is no archive in')])
  })
})

describe('refused', () => {
  test.each<[string, string[], number, string]>([
    ['without a date', ['retire'], 2, '--before DATE is required'],
    ['without a place', ['archive', '--before', '2024-02'], 2, '--before DATE and --to PLACE are required'],
    ['a date of the future', ['retire', '--before', '2250-01-01'], 2, '--before takes a date of the past'],
    [
      'what is younger than is kept',
      ['retire', '--before', '-10d', '--keep', '365d'],
      1,
      'rows are kept for 365d',
    ],
    [
      'a duration that is none',
      ['retire', '--before', '-10d', '--keep', 'x'],
      2,
      'retention must be such as',
    ],
    [
      'a patience that is none',
      ['retire', '--before', '-10d', '--patience', 'x'],
      2,
      '--patience takes seconds',
    ],
    [
      'a key that is not there',
      ['retire', '--before', '-1d', '--retention-key', '/nowhere'],
      2,
      'cannot be read',
    ],
    [
      'Parquet without its package, before anything is archived',
      ['archive', '--before', '-1d', '--to', '/nowhere', '--parquet'],
      2,
      'npm install @duckdb/node-api',
    ],
    ['a hold without a reason', ['hold', 'add', '--credential', 'x'], 2, '--reason TEXT is required'],
    ['a hold of nothing', ['hold', 'add', '--reason', 'x'], 2, '--credential NAME is required'],
    [
      'a hold with a time that is none',
      ['hold', 'add', '--credential', 'x', '--reason', 'x', '--from', 'y'],
      2,
      '--from',
    ],
    ['the release of nothing', ['hold', 'release', '--reason', 'x'], 2, '--id takes the number'],
    ['a list in another format', ['hold', 'list', '--format', 'x'], 2, '--format must be'],
    [
      'an archive with a proof',
      ['verify', '--archive', '.', '--row', '1'],
      2,
      '--archive verifies files alone',
    ],
  ])('%s', async (_, args, code, message) => {
    const result = await otelAudit(args, { ...env, ...NOWHERE })
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(message)])
  })

  test('without a key, or with a file that is not one', async () => {
    const none = await otelAudit(['archive', '--before', '-1d', '--to', files], NOWHERE)
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('no retention key is given')])
    const withBad = ['archive', '--before', '-1d', '--to', files, '--retention-key', trust]
    const bad = await otelAudit(withBad, { ...env, ...NOWHERE })
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('not PKCS#8 in PEM')])
    const nowhere = await otelAudit(['hold', 'list'])
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('no database is given')])
  })
})

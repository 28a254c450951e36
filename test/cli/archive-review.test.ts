import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OldTrail } from '../archive/old-trail.js'
import { readTrail } from '../support/trail.js'
import { otelAudit, type Result } from './otel-audit.js'

// An access review of months that are retired: of their archives it is the one that the trail gave before.

const ORIGIN = 'otel-audit/wallet'

let trail: OldTrail
let files: string
let place: string
let trust: string
let env: Record<string, string>
let before: Made
let window: readonly string[]

interface Made extends Result {
  readonly csv: string
  readonly page: string
  readonly manifest: Record<string, unknown>
}

const date = (month: number): string => new Date(trail.months[month] ?? 0).toISOString().slice(0, 10)
const run = (...args: string[]): Promise<Result> =>
  otelAudit(args, { ...env, DATABASE_URL: trail.database.url })

async function review(
  name: string,
  args: readonly string[],
  given: Record<string, string> = {},
): Promise<Made> {
  const out = join(files, name)
  const result = await otelAudit(['review', ...args, '--trust', trust, '--out', out], { ...env, ...given })
  if (result.code !== 0) throw new Error(JSON.stringify(result))
  const read = (file: string): string => readFileSync(join(out, file), 'utf8')
  const manifest = JSON.parse(read('manifest.json')) as Made['manifest']
  return { ...result, csv: read('review.csv'), page: read('review.html'), manifest }
}

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'otel-audit-archive-review-'))
  const key = join(files, 'retention.pem')
  const made = await otelAudit(['keys', 'create', '--retention', '--origin', ORIGIN, '--out', key])
  trust = join(files, 'audit.trust')
  writeFileSync(trust, `origin ${ORIGIN}\n${made.stdout}unsigned any\n`)
  env = { NOETL_SECRET_AUDIT_RETENTION_KEY_FILE: key, NOETL_SECRET_AUDIT_ORIGIN: ORIGIN }
  trail = await OldTrail.create(4)
  await trail.fill()
  place = join(files, 'archive')
  // Known before the window, seen in it for the first time, and dormant in it.
  await trail.write(
    trail.event(0, 100, { credential: 'known', actorId: 'jane', actorType: 'user' }),
    trail.event(0, 101, { credential: 'dormant', actorId: 'joe', actorType: 'user' }),
  )
  await trail.write(
    trail.event(1, 100, { credential: 'known', actorId: 'jane', actorType: 'user' }),
    trail.event(2, 100, { credential: 'new', actorId: 'eve', actorType: 'user', outcome: 'access_denied' }),
  )
  window = ['--from', date(1), '--to', date(3)]
  before = await review('live', window, { DATABASE_URL: trail.database.url })
  expect((await run('archive', '--before', date(3), '--to', place, '--trust', trust)).code).toBe(0)
  expect((await run('retire', '--before', date(3), '--trust', trust)).code).toBe(0)
})

afterAll(async () => {
  await trail.drop()
  rmSync(files, { recursive: true })
})

/** What it says of accesses, without when, by whom and of what it was made. */
const said = (page: string): string =>
  page.replace(/ Made .*? by .*?\./, '').replace(/<h2>What this rests on<\/h2>[\s\S]*?<h2>Reviewed<\/h2>/, '')

test('is the review that the trail gave, without a database', async () => {
  const made = await review('offline', [...window, '--archive', place])
  expect(before.csv).toContain('dormant,joe,actor,dormant,dormant,0,0,,,')
  expect(before.csv).toContain('new,eve,actor,"first seen","first seen",1,1,')
  expect(made.csv).toBe(before.csv)
  expect(said(made.page)).toBe(said(before.page))
  const { totals, coverage, from, to, trail: identity } = before.manifest
  expect(made.manifest).toMatchObject({ totals, coverage, from, to, trail: identity })
  expect(made.manifest).toMatchObject({
    mark: null,
    system: null,
    table: null,
    archive: { place, archives: 3, ids_before: `${date(3)}T00:00:00.000Z` },
    retired_before: null,
    verification: { result: 'nothing found' },
  })
  expect(made.page).toContain(`3 of ${place}, of rows with ids before ${date(3)}`)
  expect(made.stdout.split('\n').slice(0, 2)).toEqual(before.stdout.split('\n').slice(0, 2))
  expect(made.stderr).toContain('this read is not recorded in the trail')
})

test('is a row of the trail where there is one, which says where it was read', async () => {
  const made = await review('recorded', [...window, '--archive', place], { DATABASE_URL: trail.database.url })
  expect(made.csv).toBe(before.csv)
  const rows = (await readTrail(trail.owner)).filter(({ event }) => event.operation === 'query_trail')
  const attributes = rows.at(-1)?.event.attributesJson ?? ''
  expect(attributes).toContain('"what":"review"')
  expect(attributes).toContain(JSON.stringify(JSON.stringify(place)).slice(1, -1))
  expect(made.stdout).toContain((JSON.parse(attributes) as { sha256: string }).sha256)
})

describe('of a window', () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await otelAudit([
      'review',
      ...args,
      '--archive',
      place,
      '--out',
      join(files, 'x'),
    ])
    expect(code).toBeGreaterThan(0)
    return stderr
  }

  test('that reaches beyond the archives it is refused: it would count too little', async () => {
    expect(await refused('--from', date(2))).toContain(`the archives there end at ${date(3)}`)
    expect(await refused('--from', '2024-01-01', '--to', '2024-02-01')).toContain(
      'has no archive of rows from',
    )
    expect(await refused('--from', date(3), '--to', date(4))).toContain(
      `has no archive of rows from ${date(3)}`,
    )
  })

  test('that is retired the trail says so, and how to review it', async () => {
    const made = await review('retired', window, { DATABASE_URL: trail.database.url })
    expect(made.manifest).toMatchObject({
      retired_before: `${date(3)}T00:00:00.000000Z`,
      verification: { result: 'nothing found', findings: {} },
    })
    expect(made.stderr).toContain(`rows before ${date(3)}T00:00:00.000000Z were retired`)
    expect(made.page).toContain('those of this window are not counted here')
    const later = await review('later', ['--from', date(3)], { DATABASE_URL: trail.database.url })
    expect(later.page).toContain('whether somebody had access before then is not seen here')
  })
})

describe('what the trail answers of a window that is retired says so, on standard error', () => {
  const end = (): string =>
    `rows from ${date(0)} to ${date(3)} were retired, and are not shown: their archive is in ${place}`

  test.each<[string, () => string[]]>([
    ['query', () => ['query', ...window]],
    ['summary', () => ['summary', ...window]],
    ['export', () => ['export', ...window]],
    ['export', () => ['export', ...window, '--output', join(files, 'window.ndjson')]],
  ])('%s, with the command that reads the archive', async (command, args) => {
    const { code, stderr, stdout } = await run(...args())
    const which = `rows from ${date(1)} to ${date(3)} were retired, and are not shown: their archive is in ${place}`
    const how = `(otel-audit ${command} --archive ${place} reads it)`
    expect([code, stderr]).toEqual([0, expect.stringContaining(`${which} ${how}\n`)])
    expect(stdout).not.toContain('retired')
  })

  test('find and evidence, which have no archive to read', async () => {
    const first = await run('find', 'first')
    expect([first.code, first.stderr]).toEqual([
      0,
      expect.stringContaining(`${end()} (otel-audit query --archive reads it)`),
    ])
    const evidence = await run(
      'evidence',
      '--incident',
      'X',
      '--credential',
      'known',
      '--out',
      join(files, 'evidence'),
      '--trust',
      trust,
    )
    expect(evidence.stderr).toContain(end())
  })

  test('without a window the last page does, and no other', async () => {
    expect((await run('query', '--credential', 'known')).stderr).toContain(end())
    const page = await run('query', '--limit', '1')
    expect(page.stderr).toContain('There are more rows')
    expect(page.stderr).not.toContain('retired')
    expect((await run('summary')).stderr).toBe('')
    expect((await run('query', '--from', date(3))).stderr).toBe('')
  })
})

test.each(['query', 'summary', 'export', 'review'])(
  '%s names the flag that says how the trail is read, where archives are',
  async (command) => {
    const args = [command, ...window, '--archive', place, '--reader-url', 'postgres://nobody@127.0.0.1:1/x']
    expect(await otelAudit(args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('--reader-url is for reading the trail'),
    })
  },
)

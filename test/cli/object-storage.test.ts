import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { OldTrail } from '../archive/old-trail.js'
import { FakeS3 } from '../support/object-storage/fake-s3.js'
import { readTrail } from '../support/trail.js'
import { otelAudit, type Result } from './otel-audit.js'

const ORIGIN = 'otel-audit/wallet'
const PLACE = 's3://archives/wallet'

let files: string
let trust: string
let env: Record<string, string>
let trail: OldTrail
let s3: FakeS3
const printed: string[] = []

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), 'otel-audit-object-storage-'))
  const key = join(files, 'retention.pem')
  const made = await otelAudit(['keys', 'create', '--retention', '--origin', ORIGIN, '--out', key])
  trust = join(files, 'audit.trust')
  writeFileSync(trust, `origin ${ORIGIN}\n${made.stdout}unsigned any\n`)
  env = { NOETL_SECRET_AUDIT_RETENTION_KEY_FILE: key, NOETL_SECRET_AUDIT_ORIGIN: ORIGIN }
})

afterAll(() => rmSync(files, { recursive: true }))

beforeEach(async () => {
  s3 = await FakeS3.start()
  trail = await OldTrail.create(3)
  await trail.fill()
})

afterEach(async () => {
  await trail.drop()
  await s3.close()
})

async function run(args: readonly string[], without: readonly string[] = []): Promise<Result> {
  const all = { ...env, ...s3.environment, DATABASE_URL: trail.database.url }
  const result = await otelAudit(
    [...args],
    Object.fromEntries(Object.entries(all).filter(([name]) => !without.includes(name))),
  )
  printed.push(result.stdout, result.stderr)
  return result
}

const date = (month: number): string => new Date(trail.months[month] ?? 0).toISOString().slice(0, 10)
const held = (): number =>
  [...s3.bucket.objects.values()].filter((versions) => versions.at(-1)?.isHeld).length

test('months are archived and locked in object storage, retired, verified, asked, held and released', async () => {
  const question = ['query', '--from', date(0), '--to', date(2), '--format', 'json']
  const before = await run(question)
  const locking = ['--object-lock', 'compliance', '--retain-for', '2557d']
  const archived = await run(['archive', '--before', date(2), '--to', `${PLACE}/`, ...locking])
  expect(archived).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`14 rows, in ${PLACE}; 0 were before`),
  })
  for (const [version] of s3.bucket.objects.values()) {
    expect(version?.mode).toBe('COMPLIANCE')
    expect(Date.parse(version?.until ?? '') - Date.now()).toBeGreaterThan(2556 * 86_400_000)
  }
  expect(await run(['retire', '--before', date(2)])).toMatchObject({ code: 0 })
  const offline = ['DATABASE_URL']
  const verified = await run(['verify', '--trust', trust, '--archive', PLACE, '--format', 'json'], offline)
  expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([0, { rows: { proven: 13 } }])
  expect((await run(['verify', '--trust', trust, '--with-archive', PLACE])).code).toBe(0)
  expect((await run([...question, '--archive', PLACE, '--trust', trust], offline)).stdout).toBe(before.stdout)

  const hold = (credential: string): Promise<Result> =>
    run(['hold', 'add', '--credential', credential, '--reason', 'case 17'])
  const first = await hold('key-1')
  expect([first.code, first.stdout]).toEqual([
    0,
    expect.stringMatching(/wallet\/000001-\w+: legal hold on\n.*000002-\w+: legal hold on\n$/),
  ])
  expect(held()).toBe(14)
  await hold('key-*')
  await run(['hold', 'release', '--id', '1', '--reason', 'over'])
  expect(held()).toBe(14)
  expect((await run(['hold', 'release', '--id', '2', '--reason', 'over'])).stdout).toContain('legal hold off')
  expect(held()).toBe(0)
  expect((await hold('nobody')).stdout).not.toContain('legal hold')

  const rows = (await readTrail(trail.owner)).map(({ event }) => event.attributesJson ?? '')
  const stored = [...s3.bucket.objects.values()].flat().map(({ body }) => body.toString('latin1'))
  for (const secret of s3.secrets)
    for (const text of [...printed, ...rows, ...stored]) expect(text).not.toContain(secret)
})

test('a hold stands although its archive cannot be marked, which is told, and made up for', async () => {
  await run(['archive', '--before', date(1), '--to', PLACE])
  await run(['retire', '--before', date(1)])
  s3.fault = ({ query }) => (query.has('legal-hold') ? { status: 403, code: 'AccessDenied' } : undefined)
  const added = await run(['hold', 'add', '--credential', 'key-1', '--reason', 'case 17'])
  expect([added.code, added.stderr]).toEqual([
    1,
    expect.stringMatching(/could not be marked: .*403 AccessDenied.*hold mark/),
  ])
  expect((await run(['hold', 'list'])).stdout).toContain('case 17')
  s3.fault = () => undefined
  expect(await run(['hold', 'mark'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('legal hold on'),
  })
  expect(held()).toBe(7)
})

test('what cannot be locked or marked is told: a bucket without Object Lock, a directory', async () => {
  Object.assign(s3.bucket.settings, { hasLock: false })
  const locking = ['--object-lock', 'governance', '--retain-for', '52w']
  const refused = await run(['archive', '--before', date(1), '--to', PLACE, ...locking])
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining('the bucket has no Object Lock'),
  ])
  await run(['archive', '--before', date(1), '--to', PLACE])
  await run(['retire', '--before', date(1)])
  const directory = join(files, trail.database.name)
  await run(['archive', '--before', date(2), '--to', directory])
  await run(['retire', '--before', date(2)])
  const added = await run(['hold', 'add', '--credential', 'key-1', '--reason', 'x'])
  expect(added.stdout).toContain('its bucket has no Object Lock, so it is not marked: keep it yourself')
  expect(added.stdout).toMatch(/000001-\w+: marked as held \(HELD\)/)
  const [folder = ''] = readdirSync(directory)
  expect(readdirSync(join(directory, folder))).toContain('HELD')
  expect((await run(['verify', '--trust', trust, '--archive', directory])).code).toBe(0)
  const released = await run(['hold', 'release', '--id', '1', '--reason', 'x'])
  expect(released.stdout).toContain('not marked as held any more')
  expect(readdirSync(join(directory, folder))).not.toContain('HELD')
})

describe('refused', () => {
  test.each<[string, string[], string]>([
    [
      'a lock of a directory',
      ['--to', 'here', '--object-lock', 'compliance', '--retain-for', '1d'],
      '--object-lock is of object storage',
    ],
    ['a lock without an end', ['--to', PLACE, '--object-lock', 'compliance'], 'go together'],
    ['a lock of another kind', ['--to', PLACE, '--object-lock', 'none', '--retain-for', '1d'], 'go together'],
    ['an end without a lock', ['--to', PLACE, '--retain-for', '1d'], 'go together'],
    [
      'an end that is not one',
      ['--to', PLACE, '--object-lock', 'compliance', '--retain-for', '7y'],
      '--retain-for takes days or weeks',
    ],
    ['a place that is not one', ['--to', 's3://A'], 'is not a place for archives'],
  ])('%s', async (_, args, message) => {
    const result = await run(['archive', '--before', date(1), ...args])
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining(message)])
  })

  test('object storage without credentials, or without a region', async () => {
    const args = ['verify', '--trust', trust, '--archive', PLACE]
    const none = await run(args, ['AWS_ACCESS_KEY_ID'])
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('set AWS_ACCESS_KEY_ID')])
    const nowhere = await run(args, ['AWS_REGION', 'AWS_ENDPOINT_URL_S3'])
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('set AWS_REGION')])
  })
})

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OldTrail } from '../archive/old-trail.js'
import { smallDisk } from '../spool/small-disk.js'
import { connect } from '../support/database.js'
import { otelAudit, type Result } from './otel-audit.js'

// What people do wrong with retention. Each ends with what is so and what to do, and nothing is retired, or counts as archived.

const ORIGIN = 'otel-audit/wallet'

let trail: OldTrail
let files: string
let place: string
let trust: string
let env: Record<string, string>
let vkey: string

beforeEach(async () => {
  trail = await OldTrail.create(3)
  await trail.fill()
  files = mkdtempSync(join(tmpdir(), 'otel-audit-mistakes-'))
  place = join(files, 'archive')
  trust = join(files, 'audit.trust')
  const key = join(files, 'retention.pem')
  vkey = (await otelAudit(['keys', 'create', '--retention', '--origin', ORIGIN, '--out', key])).stdout
  writeFileSync(trust, `origin ${ORIGIN}\n${vkey}unsigned any\n`)
  env = {
    DATABASE_URL: trail.database.url,
    NOETL_SECRET_AUDIT_RETENTION_KEY_FILE: key,
    NOETL_SECRET_AUDIT_ORIGIN: ORIGIN,
  }
})

afterEach(async () => {
  rmSync(files, { recursive: true, force: true })
  await trail.drop()
})

const date = (month: number): string => new Date(trail.months[month] ?? 0).toISOString().slice(0, 10)
const archive = (month: number, ...more: readonly string[]): Promise<Result> =>
  otelAudit(['archive', '--before', date(month), '--to', place, ...more], env)
const retire = (month: number, ...more: readonly string[]): Promise<Result> =>
  otelAudit(['retire', '--before', date(month), ...more], env)
const standing = async (): Promise<string[]> => {
  const { rows } = await trail.owner.query<{ state: string }>(
    'select state from noetl.secret_audit_retirement order by to_id',
  )
  return rows.map(({ state }) => state)
}
/** What is said, and what is to be done: the code and the exit code, too. */
const refused = (result: Result, code: number, ...said: readonly RegExp[]): void => {
  expect(result.code, result.stderr).toBe(code)
  expect(result.stdout).toBe('')
  for (const text of said) expect(result.stderr).toMatch(text)
  expect(result.stderr).not.toMatch(/^ {4}at /m)
}

test('another login than the owner: who it has to be', async () => {
  const name = `archivist_${randomBytes(6).toString('hex')}`
  await trail.owner.query(
    `create role ${name} login; grant noetl_audit_reader, noetl_audit_writer to ${name}`,
  )
  const url = new URL(trail.database.url)
  url.username = name
  url.password = ''
  const owner = env
  env = { ...env, DATABASE_URL: url.href }
  const said = [
    /^AUDIT_RETENTION: only the owner of schema noetl may archive and retire/,
    /Run it with the login that runs `otel-audit migrate`/,
  ]
  try {
    refused(await archive(2), 1, ...said)
    refused(await retire(2), 1, ...said)
  } finally {
    env = owner
    await trail.owner.query(`drop owned by ${name}; drop role ${name}`)
  }
})

describe('another key', () => {
  test('than the trust file names: what it signs would not be believed', async () => {
    const other = join(files, 'other.pem')
    await otelAudit(['keys', 'create', '--retention', '--origin', ORIGIN, '--out', other])
    const args = ['--trust', trust, '--retention-key', other]
    const said = [
      /is not a retention key of the trust file/,
      /add the line "retention otel-audit\/wallet\/retention\+/,
    ]
    refused(await archive(2, ...args), 2, ...said)
    refused(await retire(2, ...args), 2, ...said)
    // Without a trust file it is the archives that tell.
    await archive(1)
    refused(
      await archive(2, '--retention-key', other),
      1,
      /no known key has signed it/,
      /Use the retention key that has signed it/,
    )
    expect(await standing()).toEqual(['archived'])
  })

  test('which is the enrolment key: services have that', async () => {
    const enrolment = join(files, 'enrolment.pem')
    const { stdout } = await otelAudit(['keys', 'create', '--origin', ORIGIN, '--out', enrolment])
    const named = join(files, 'both.trust')
    writeFileSync(named, readFileSync(trust, 'utf8') + stdout)
    const said = /is the enrolment key, which services have: make a key that no service has/
    refused(await archive(2, '--retention-key', enrolment, '--trust', named), 2, said)
    env = { ...env, NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: enrolment }
    refused(await archive(2, '--retention-key', enrolment), 2, said)
    refused(await retire(2, '--retention-key', enrolment), 2, said)
    expect((await archive(2, '--trust', trust)).code).toBe(0)
  })
})

test('a place of another trail: whose it is', async () => {
  await archive(1)
  const other = await OldTrail.create(3)
  try {
    await other.fill()
    env = { ...env, DATABASE_URL: other.database.url }
    refused(
      await archive(2),
      1,
      /000001-\w+: it is of trail [0-9a-f]{32}, and this is trail [0-9a-f]{32}/,
      /name another directory/,
    )
    expect(readdirSync(place)).toHaveLength(1)
  } finally {
    await other.drop()
  }
})

test('a disk that is full: what to do, and then it goes on', async () => {
  const disk = smallDisk(8)
  place = join(disk.directory, 'archive')
  if (!disk.isMounted) return
  disk.fill()
  refused(
    await archive(2),
    1,
    /^AUDIT_ARCHIVE: \S+ cannot be written \(ENOSPC\)/,
    /Make room there, and run the same command again/,
  )
  expect(await standing()).toEqual([])
  disk.clear()
  expect((await archive(2, '--trust', trust)).code).toBe(0)
  expect(await standing()).toEqual(['archived', 'archived'])
  expect((await otelAudit(['verify', '--archive', place, '--trust', trust])).code).toBe(0)
})

test('a directory that this user may not write to: whose it has to be', async () => {
  if (process.getuid?.() === 0) {
    // To root it is not forbidden: a file in the way is.
    writeFileSync(place, 'x')
    refused(await archive(2), 1, /^AUDIT_ARCHIVE: \S+ cannot be/)
    return
  }
  mkdirSync(place, { mode: 0o500 })
  refused(await archive(2), 1, /cannot be written \(EACCES\)/, /Let the user that runs this write there/)
})

test('a date of the future, for both', async () => {
  for (const command of ['archive', 'retire'])
    refused(
      await otelAudit(
        [command, '--before', '2250-01-01', '--to', place].slice(0, command === 'retire' ? 3 : 5),
        env,
      ),
      2,
      /--before takes a date of the past/,
    )
})

test('to retire what is not archived: what comes first', async () => {
  const { code, stdout } = await retire(2)
  expect(code).toBe(1)
  expect(stdout).toMatch(
    /^(secret_audit_\w+: not archived: run `otel-audit archive` first, or say --without-archive\n){2}$/,
  )
  expect(await standing()).toEqual([])
})

describe('an archive that is not mounted', () => {
  const said = [
    /has no archive, and the trail says that secret_audit_\w+ is there/,
    /Is it mounted, and the whole of it\?/,
  ]

  test('is not begun anew, and nothing is retired', async () => {
    await archive(1)
    const elsewhere = join(files, 'unmounted')
    renameSync(place, elsewhere)
    mkdirSync(place)
    refused(await retire(1), 1, ...said)
    refused(await archive(2), 1, ...said)
    refused(await archive(2, '--dry-run'), 1, ...said)
    expect(readdirSync(place)).toEqual([])
    expect(await standing()).toEqual(['archived'])
    rmSync(place, { recursive: true })
    renameSync(elsewhere, place)
    expect((await archive(2)).code).toBe(0)
    expect((await retire(2)).code).toBe(0)
  })

  test('of which a part is missing is named, and another place begins anew', async () => {
    await archive(2)
    const elsewhere = join(files, 'copy')
    cpSync(place, elsewhere, { recursive: true })
    rmSync(join(place, readdirSync(place).toSorted()[1] ?? ''), { recursive: true })
    const { stdout, ...stopped } = await retire(2)
    expect(stdout).toMatch(/^secret_audit_\w+: retired: [^\n]+\n$/)
    refused(
      { ...stopped, stdout: '' },
      1,
      /the archive of secret_audit_\w+ with the manifest [0-9a-f]{64} is not there/,
    )
    place = join(files, 'anew')
    // The first month is whole, and was retired.
    expect((await archive(2)).stdout).toContain('1 partitions archived and proven')
    expect((await retire(2)).code).toBe(0)
  })
})

test('two at once: that one waits for the other', async () => {
  const other = await connect(trail.database.url)
  await other.query('begin; lock table noetl.secret_audit_retirement in share update exclusive mode')
  const said = [/^AUDIT_RETENTION: another archive or retirement of this trail is running/, /Let it end/]
  try {
    refused(await archive(2), 1, ...said)
    refused(await retire(2), 1, ...said)
  } finally {
    await other.end()
  }
})

test('an archive that is gone stops the run, which has said what became of the months before', async () => {
  await archive(2)
  const [, second = ''] = readdirSync(place).toSorted()
  rmSync(join(place, second), { recursive: true })
  const stopped = await retire(2)
  expect(stopped).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^secret_audit_\w+: retired: [^\n]+\n$/),
    stderr: expect.stringMatching(/with the manifest \w+ is not there/),
  })
  expect(await standing()).toEqual(['retired', 'archived'])
})

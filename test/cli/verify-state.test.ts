import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { OldTrail } from '../archive/old-trail.js'
import { otelAudit } from './otel-audit.js'

const ORIGIN = 'otel-audit/wallet'

let trail: OldTrail
let directory: string
const path = (name: string): string => join(directory, name)

beforeAll(async () => {
  trail = await OldTrail.create(3)
  for (let month = 0; month < 3; month++) {
    for (let day = 0; day < 28; day += 3) {
      await trail.write(...[1, 2, 3].map((second) => trail.event(month, day * 86_400 + second)))
    }
  }
})

afterAll(() => trail.drop())

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verify-state-'))
  const line = await created('verifier.pem')
  writeFileSync(path('audit.trust'), `origin ${ORIGIN}\nunsigned none\n${line}`)
  return () => rmSync(directory, { recursive: true })
})

async function created(file: string): Promise<string> {
  const { stdout } = await otelAudit([
    'keys',
    'create',
    '--verifier',
    '--origin',
    ORIGIN,
    '--out',
    path(file),
  ])
  expect(stdout).toMatch(/^verifier otel-audit\/wallet\/verifier\+/)
  return stdout
}

interface Report {
  readonly result: string
  readonly found: readonly { readonly code: string; readonly auditId?: string }[]
  readonly rows: { readonly proven: number }
  readonly incremental: {
    readonly sequence: number
    readonly full: boolean
    readonly new: { readonly rows: number }
  }
}

async function verified(
  ...more: readonly string[]
): Promise<{ code: number | null; report: Report | undefined; stderr: string }> {
  const state = ['--state', path('state'), '--verifier-key', path('verifier.pem')]
  const args = ['verify', '--trust', path('audit.trust'), ...state, '--format', 'json', ...more]
  const { code, stdout, stderr } = await otelAudit(args, { DATABASE_URL: trail.database.url })
  return { code, stderr, report: stdout === '' ? undefined : (JSON.parse(stdout) as Report) }
}

test('the first run verifies everything, and leaves a signed state; the next one what is new', async () => {
  const first = await verified()
  // A run of more than a second says how far it is.
  expect([first.code, first.stderr.replaceAll(/^(blocks|rows): .* a second\n/gm, '')]).toEqual([0, ''])
  expect(first.report).toMatchObject({ result: 'nothing found', incremental: { sequence: 1, full: true } })
  expect(statSync(path('state')).mode & 0o777).toBe(0o600)
  expect(readFileSync(path('state'), 'utf8')).toMatch(
    /^otel-audit\/verify-state\/v1\nlog otel-audit\/wallet\ntrail [0-9a-f]{32}\nsequence 1\nbefore -\n/,
  )
  expect(readdirSync(directory).toSorted()).toEqual(['audit.trust', 'state', 'verifier.pem'])

  await trail.write(trail.event(3, 1), trail.event(3, 2))
  const second = await verified()
  expect(second.report).toMatchObject({
    result: 'nothing found',
    incremental: { sequence: 2, full: false, new: { rows: 2 } },
  })
  expect(second.report?.rows.proven).toBeLessThan(first.report?.rows.proven ?? 0)
})

describe('a state', () => {
  beforeEach(async () => {
    expect((await verified()).code).toBe(0)
  })

  const altered = (change: (text: string) => string): void =>
    writeFileSync(path('state'), change(readFileSync(path('state'), 'utf8')))

  test.each<[string, (text: string) => string]>([
    ['that was forged', (text) => text.replace('sequence 1', 'sequence 2')],
    ['whose content was changed', (text) => text.replace('"all":false', '"all":true ')],
    ['that was cut', (text) => text.slice(0, text.length / 2)],
    ['that is empty', () => ''],
  ])('%s is refused: nothing is claimed, and the file stays', async (_, change) => {
    altered(change)
    const before = readFileSync(path('state'), 'utf8')
    const { code, report, stderr } = await verified()
    expect([code, report]).toEqual([2, undefined])
    expect(stderr).toContain('AUDIT_VERIFY_STATE')
    expect(stderr).toContain('move it away')
    expect(readFileSync(path('state'), 'utf8')).toBe(before)
  })

  test('of a key that the trust file does not name is refused, and so is such a key', async () => {
    const own = await created('own.pem')
    const trust = readFileSync(path('audit.trust'), 'utf8')
    const refused = await verified('--verifier-key', path('own.pem'))
    expect([refused.code, refused.report]).toEqual([2, undefined])
    expect(refused.stderr).toContain('is not a verifier key that the trust file names')
    writeFileSync(path('audit.trust'), trust.replace(/^verifier .*\n/m, own))
    const other = await verified('--verifier-key', path('own.pem'))
    expect([other.code, other.report]).toEqual([2, undefined])
    expect(other.stderr).toContain('no verifier key that is trusted has signed it')
    // A key that follows another one takes over its state, and verifies everything once.
    writeFileSync(path('audit.trust'), trust + own)
    const next = await verified('--verifier-key', path('own.pem'))
    expect(next.report).toMatchObject({ incremental: { sequence: 2, full: true } })
  })

  test('without a key, or with a part of the trail, is not used', async () => {
    const { code, stderr } = await otelAudit(['verify', '--state', path('state')], {
      DATABASE_URL: trail.database.url,
    })
    expect([code, stderr]).toEqual([2, expect.stringContaining('no verifier key is given')])
    const part = await verified('--from', '2026-01-01')
    expect([part.code, part.stderr]).toEqual([2, expect.stringContaining('are of the whole trail')])
  })

  test('finds a row that was altered in an old month within its period', async () => {
    await trail.owner.query('alter table noetl.secret_audit disable trigger user')
    const { rows } = await trail.owner.query<{ audit_id: string; notes: string | null }>(
      'select audit_id, notes from noetl.secret_audit order by audit_id offset 45 limit 1',
    )
    const { audit_id: id } = rows[0] ?? { audit_id: '' }
    await trail.owner.query(`update noetl.secret_audit set notes = 'other' where audit_id = $1`, [id])
    const at = await verified('--full-every', '1s')
    expect([at.code, at.report?.found]).toEqual([
      1,
      [expect.objectContaining({ code: 'row-changed', auditId: id })],
    ])
    // It stays a finding, although only a share is due.
    expect((await verified()).report?.found).toMatchObject([{ code: 'row-changed', auditId: id }])
    await trail.owner.query('update noetl.secret_audit set notes = null where audit_id = $1', [id])
    // Put back by another transaction: so much can be seen of it, until the trust file says why.
    expect((await verified()).report?.found).toMatchObject([{ code: 'row-foreign' }])
    writeFileSync(
      path('audit.trust'),
      `${readFileSync(path('audit.trust'), 'utf8')}restored below ${2n ** 62n}\n`,
    )
    expect((await verified()).report).toMatchObject({ result: 'nothing found', incremental: { full: true } })
  })
})

test('a result is recorded with the hash of the state', async () => {
  writeFileSync(
    path('audit.trust'),
    `${readFileSync(path('audit.trust'), 'utf8')}restored below ${2n ** 62n}\n`,
  )
  expect((await verified('--record')).code).toBe(0)
  const { rows } = await trail.owner.query<{ outcome: string; attributes: Record<string, unknown> }>(
    `select outcome, attributes from noetl.secret_audit where operation = 'audit_verify'`,
  )
  expect(rows).toMatchObject([
    {
      outcome: 'ok',
      attributes: { findings: 0, full: true, sequence: 1, state: expect.stringMatching(/^[0-9a-f]{64}$/) },
    },
  ])
})

test('a state that cannot be written is said, and nothing is left half-written', async () => {
  const { code, stderr } = await verified('--state', join(directory, 'none', 'state'))
  expect([code, stderr]).toEqual([2, expect.stringContaining('the state cannot be written')])
})

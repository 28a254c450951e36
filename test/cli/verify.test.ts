import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../support/database.js'
import { verifyReport as run } from './attack.js'
import { AuditorFiles } from './auditor-files.js'
import { BATCHES, honestTrail, type HonestTrail, ORIGIN } from './honest-trail.js'
import { otelAudit } from './otel-audit.js'

let honest: HonestTrail
let files: AuditorFiles

beforeAll(async () => {
  honest = await honestTrail()
  files = new AuditorFiles(honest)
})

afterAll(async () => {
  files.remove()
  await honest.database.drop()
})

describe('an honest trail', () => {
  test('has no finding, and says what was looked at', async () => {
    const rows = 3 * BATCHES.reduce((sum, size) => sum + size, 0)
    const { code, report, found, stderr } = await run(
      honest.database.url,
      '--trust',
      files.trust,
      '--anchors',
      files.anchors,
    )
    expect([code, found, stderr]).toEqual([0, [], ''])
    expect(report).toMatchObject({
      result: 'nothing found',
      logs: [ORIGIN],
      chains: { total: 3, closed: 1, idle: 1, unenrolled: 0 },
      blocks: honest.blocks.length,
      rows: { proven: rows, unsigned: 0, retired: 0, partly: 0, kept: 0 },
      anchors: { given: honest.blocks.length, held: honest.blocks.length, retired: 0, foreign: 0 },
    })
    const { chains, openTails } = report as { chains: Record<string, number>; openTails: { chain: string }[] }
    expect((chains['live'] ?? 0) + (chains['unclean'] ?? 0)).toBe(1)
    expect(openTails.map(({ chain }) => chain).toSorted()).toEqual(
      [honest.chains.idle, honest.chains.killed].toSorted(),
    )
  })

  test('is verified by the reader role, which may change nothing', async () => {
    const owner = await connect(honest.database.url)
    const name = `${honest.database.name}_auditor`
    await owner.query(`create role ${name} login password 'canary-2f0a' in role noetl_audit_reader`)
    const url = new URL(honest.database.url)
    url.username = name
    url.password = 'canary-2f0a'
    const { code, report } = await run(url.href, '--trust', files.trust)
    // As `query` and `export` do, whatever else there is for writers.
    const env = { DATABASE_URL: 'postgres://127.0.0.1:1/app', NOETL_SECRET_AUDIT_READER_URL: url.href }
    expect(await otelAudit(['verify', '--trust', files.trust], env)).toMatchObject({ code: 0, stderr: '' })
    const flag = ['--reader-url', url.href]
    expect(await otelAudit(['verify', '--trust', files.trust, ...flag])).toMatchObject({
      code: 0,
      stderr: '',
    })
    await owner.query(`revoke noetl_audit_reader from ${name}`)
    const refused = await otelAudit(['verify', '--trust', files.trust, ...flag])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('GRANT noetl_audit_reader TO <this login>')
    expect(refused.stderr).toContain('Grant it the reader role.')
    await owner.query(`drop role ${name}`)
    await owner.end()
    expect([code, report['rows']]).toMatchObject([0, { proven: 57 }])
  })

  test('says how many rows are there that the trust file takes for retired', async () => {
    const client = await connect(honest.database.url)
    const { rows } = await client.query('select max(audit_id) as id from noetl.secret_audit')
    await client.end()
    const from = ['--trust', files.file('retired.trust', `rows-from ${rows[0].id}\nunsigned none\n`)]
    const { code, report } = await run(honest.database.url, ...from)
    expect([code, report['rows']]).toEqual([0, { proven: 57, unsigned: 0, retired: 0, partly: 0, kept: 56 }])
    const env = { DATABASE_URL: honest.database.url }
    const table = await otelAudit(['verify', '--format', 'table', ...from], env)
    expect(table.stdout).toMatch(/rows .*; 56 of them are present although the trust file says/)
  })

  test('in a window as query has it: from a time on, before another, also so long ago', async () => {
    const client = await connect(honest.database.url)
    const { rows } = await client.query(
      `with newest as (select (max(min_id) >> 22) as ms from noetl.secret_audit_block)
       select to_char(to_timestamp((ms + 1704067200000)::numeric / 1000) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at,
         (select coalesce(sum(row_count), 0) from noetl.secret_audit_block where min_id < ms << 22)::int as before,
         (select sum(row_count) from noetl.secret_audit_block where min_id >= ms << 22)::int as since
       from newest`,
    )
    await client.end()
    const { at, before, since } = rows[0]
    expect([before + since, since]).toEqual([57, expect.any(Number)])
    const proven = async (...window: readonly string[]): Promise<unknown> =>
      ((await run(honest.database.url, ...window)).report['rows'] as { proven: number }).proven
    expect(await proven('--to', at)).toBe(before)
    expect(await proven('--from', at)).toBe(since)
    expect(await proven('--from', '-24h', '--to', 'now')).toBe(57)
    expect(await proven('--from', '2w', '--to', '24h')).toBe(0)
  })

  test('as a table, and as lines', async () => {
    const env = { DATABASE_URL: honest.database.url }
    const table = await otelAudit(['verify', '--format', 'table'], env)
    expect(table.stdout).toMatch(/chains {5}3: 1 closed, 1 idle, .*; 3 not enrolled/)
    const blocks = honest.blocks.length
    expect(table.stdout).toContain(`\nblocks     ${blocks}\nsignatures ${blocks} of ${blocks}\n`)
    expect(table.stdout).toMatch(/findings {3}none\n$/)
    const every = await otelAudit(['verify', '--every-signature', '--format', 'json'], env)
    expect(JSON.parse(every.stdout)).toMatchObject({ signatures: { checked: blocks, of: blocks } })
    const lines = await otelAudit(['verify'], env)
    expect(
      lines.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).type),
    ).toEqual(['report'])
  })
})

describe('a proof of one row', () => {
  test('is exported, checked without a database, and refuted when anything of it is changed', async () => {
    const path = join(files.directory, 'row.json')
    const env = { DATABASE_URL: honest.database.url }
    const client = await connect(honest.database.url)
    const { rows } = await client.query(
      'select audit_id from noetl.secret_audit where chain_id = $1 and block_no = 5 and block_index = 6',
      [honest.chains.idle],
    )
    await client.end()
    const auditId = String(rows[0].audit_id)
    const exported = await otelAudit(['verify', '--row', auditId, '--proof', path], env)
    expect(exported).toMatchObject({ code: 0, stderr: '' })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const again = await otelAudit(['verify', '--row', auditId, '--proof', path], env)
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('EEXIST')])

    const checked = await otelAudit(['verify', '--trust', files.trust, '--proof', path])
    expect(checked).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining(`row ${auditId}`) })
    expect(checked.stdout).toContain('enrolled   yes')

    const { readFileSync } = await import('node:fs')
    const proof = JSON.parse(readFileSync(path, 'utf8'))
    for (const changed of [
      { ...proof, event: { ...proof.event, outcome: 'denied' } },
      { ...proof, index: proof.index - 1 },
      { ...proof, path: proof.path.slice(1) },
      { ...proof, block: proof.block.replace(/rows 8/, 'rows 9') },
      { ...proof, keys: [] },
    ]) {
      const bad = files.file('bad.json', JSON.stringify(changed))
      const result = await otelAudit(['verify', '--trust', files.trust, '--proof', bad])
      expect([result.code, result.stdout]).toEqual([1, expect.stringMatching(/^refuted /)])
    }
    const other = files.file('other.trust', 'origin otel-audit/other\n')
    expect((await otelAudit(['verify', '--trust', other, '--proof', path])).code).toBe(1)
  })
})

describe('what cannot be checked ends with 2', () => {
  test.each<[string, () => string[], RegExp]>([
    ['no trust file', () => ['--trust', join(files.directory, 'none')], /\(ENOENT\)\nName an existing file/],
    ['no anchors', () => ['--anchors', join(files.directory, 'none')], /\(ENOENT\)\nName an existing file/],
    ['a trust file that is none', () => ['--trust', files.file('bad.trust', 'origin x\nfoo')], /line 2/],
    ['anchors that are none', () => ['--anchors', files.file('bad.jsonl', '{}\nhello')], /line 2/],
    ['a row that is not there', () => ['--row', '7', '--proof', join(files.directory, 'x')], /no row 7/],
    [
      'a range the wrong way round',
      () => ['--from', '2026-02-01', '--to', '2026-01-01'],
      /--from is after --to/,
    ],
    ['a time that is none', () => ['--from', 'yesterday'], /RFC 3339/],
    ['a window without an instant', () => ['--from', '2026-01-01', '--to', '2026-01-01'], /no time in it/],
    ['a chain that is none', () => ['--chain', 'x'], /32 hex digits/],
    ['an unknown format', () => ['--format', 'xml'], /xml/],
    ['a proof that is none', () => ['--proof', files.file('bad-proof.json', '[]')], /format/],
  ])('%s', async (_, args, message) => {
    const { code, stderr, stdout } = await otelAudit(['verify', ...args()], {
      DATABASE_URL: honest.database.url,
    })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(message)
  })

  test('no database, and one that is away', async () => {
    expect(await otelAudit(['verify'])).toMatchObject({ code: 2, stdout: '' })
    const away = await otelAudit(['verify'], { DATABASE_URL: 'postgres://x:canary-5b0e@127.0.0.1:1/x' })
    expect(away).toMatchObject({ code: 2, stdout: '' })
    expect(away.stderr).not.toContain('canary-5b0e')
  })
})

test('a part of the trail, by ids and by time', async () => {
  const env = ['--from', '2026-01-01', '--to', '2026-01-02']
  const { report, code } = await run(honest.database.url, ...env)
  expect([code, report['rows']]).toMatchObject([0, { proven: 0 }])
  const { report: one } = await run(honest.database.url, '--chain', honest.chains.closed)
  expect(one).toMatchObject({ chains: { total: 1 }, rows: { proven: 19 } })
})

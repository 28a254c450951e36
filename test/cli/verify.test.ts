import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../support/database.js'
import { afterAttack, type Outcome, type Scene, verifyReport as run } from './attack.js'
import { BATCHES, honestTrail, type HonestTrail, ORIGIN } from './honest-trail.js'
import { otelAudit } from './otel-audit.js'

let honest: HonestTrail
let directory: string
let trust: string
let anchors: string

beforeAll(async () => {
  honest = await honestTrail()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-verify-'))
  trust = file(
    'audit.trust',
    `origin ${ORIGIN}\nenrolment ${honest.verifierKey}\nunsigned none # all of it\n`,
  )
  anchors = file('notes.txt', honest.blocks.map(({ note }) => note).join(''))
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await honest.database.drop()
})

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** Runs an attack on a copy of the honest database, and verifies what is left. */
const after = (
  attack: (scene: Scene) => Promise<unknown>,
  flags: readonly string[] = ['--trust', trust],
): Promise<Outcome & { readonly auditId: string }> => afterAttack(honest, attack, flags)

const INSERT = (chain: string, block: string, index: string): string =>
  `insert into noetl.secret_audit (audit_id, credential, operation, outcome, event_digest, chain_id, block_no, block_index)
   values (ROW + 1, 'forged', 'get_credential', 'ok', sha256('x'), ${chain}, ${block}, ${index})`

describe('an honest trail', () => {
  test('has no finding, and says what was looked at', async () => {
    const rows = 3 * BATCHES.reduce((sum, size) => sum + size, 0)
    const { code, report, found, stderr } = await run(
      honest.database.url,
      '--trust',
      trust,
      '--anchors',
      anchors,
    )
    expect([code, found, stderr]).toEqual([0, [], ''])
    expect(report).toMatchObject({
      result: 'nothing found',
      logs: [ORIGIN],
      chains: { total: 3, closed: 1, idle: 1, unenrolled: 0 },
      blocks: honest.blocks.length,
      rows: { proven: rows, unsigned: 0, retired: 0, partly: 0, kept: 0 },
      anchors: { given: honest.blocks.length, held: honest.blocks.length, foreign: 0 },
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
    const { code, report } = await run(url.href, '--trust', trust)
    // As `query` and `export` do, whatever else there is for writers.
    const env = { DATABASE_URL: 'postgres://127.0.0.1:1/app', NOETL_SECRET_AUDIT_READER_URL: url.href }
    expect(await otelAudit(['verify', '--trust', trust], env)).toMatchObject({ code: 0, stderr: '' })
    const flag = ['--reader-url', url.href]
    expect(await otelAudit(['verify', '--trust', trust, ...flag])).toMatchObject({ code: 0, stderr: '' })
    await owner.query(`revoke noetl_audit_reader from ${name}`)
    const refused = await otelAudit(['verify', '--trust', trust, ...flag])
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
    const from = ['--trust', file('retired.trust', `rows-from ${rows[0].id}\nunsigned none\n`)]
    const { code, report } = await run(honest.database.url, ...from)
    expect([code, report['rows']]).toEqual([0, { proven: 57, unsigned: 0, retired: 0, partly: 0, kept: 56 }])
    const env = { DATABASE_URL: honest.database.url }
    const table = await otelAudit(['verify', '--format', 'table', ...from], env)
    expect(table.stdout).toMatch(/rows .*; 56 of them are present although the trust file says/)
  })

  test('as a table, and as lines', async () => {
    const env = { DATABASE_URL: honest.database.url }
    const table = await otelAudit(['verify', '--format', 'table'], env)
    expect(table.stdout).toMatch(/chains {5}3: 1 closed, 1 idle, .*; 3 not enrolled/)
    expect(table.stdout).toMatch(/findings {3}none\n$/)
    const lines = await otelAudit(['verify'], env)
    expect(
      lines.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).type),
    ).toEqual(['report'])
  })
})

// The rows of the table in docs/integrity.md that need no anchors.
describe('found by the tables and public keys', () => {
  const COLUMNS: [string, string][] = [
    ['audit_id', 'audit_id + 1'],
    ['occurred_at', `occurred_at + interval '1 microsecond'`],
    ['credential', `'other'`],
    ['operation', `'other'`],
    ['outcome', `'other'`],
    ['worker_id', `''`],
    ['execution_id', '1'],
    ['parent_execution_id', '1'],
    ['server_region', `''`],
    ['broker_region', `''`],
    ['kek_version', `''`],
    ['notes', `''`],
    ['actor_id', `''`],
    ['actor_type', `'user'`],
    ['source_address', `''`],
    ['service_name', `''`],
    ['service_instance_id', `''`],
    ['trace_id', `''`],
    ['span_id', `''`],
    ['attributes', `'{}'`],
    ['original_audit_id', '1'],
    ['event_digest', `sha256('x')`],
  ]

  test('any column of a row changed', async () => {
    for (const [column, value] of COLUMNS) {
      const { code, found } = await after(({ sql }) =>
        sql(`update noetl.secret_audit set ${column} = ${value} where audit_id = ROW`),
      )
      expect([column, code, found[0]]).toEqual([
        column,
        1,
        expect.objectContaining({ code: 'row-changed', chain: honest.chains.idle, block: 3 }),
      ])
    }
  })

  test('a row changed, and its digest put right', async () => {
    const { code, found } = await after(async ({ client, sql, auditId }) => {
      await sql(`update noetl.secret_audit set outcome = 'denied' where audit_id = ROW`)
      const { eventDigest } = await import('../../src/event/digest.js')
      const { Snapshot } = await import('../../src/postgres/read/snapshot.js')
      const database = (await client.query('select current_database() as name')).rows[0].name as string
      const url = new URL(honest.database.url)
      url.pathname = `/${database}`
      const reader = await Snapshot.open({ databaseUrl: url.href, schema: 'noetl' })
      const row = await reader.event(BigInt(auditId))
      await reader.close()
      if (row === undefined) throw new Error('no row')
      await client.query('update noetl.secret_audit set event_digest = $1 where audit_id = $2', [
        eventDigest(row.event),
        auditId,
      ])
    })
    expect(code).toBe(1)
    expect(found).toMatchObject([{ code: 'block-root', chain: honest.chains.idle, block: 3 }])
  })

  test.each<[string, string, string, number | undefined]>([
    ['a row deleted', 'delete from noetl.secret_audit where audit_id = ROW', 'row-missing', 3],
    [
      'a row deleted, count and root of its block changed',
      `delete from noetl.secret_audit where audit_id = ROW;
       update noetl.secret_audit_block set row_count = 4, root = sha256('x') where chain_id = CHAIN and block_no = 3`,
      'block-signature',
      3,
    ],
    ['a row inserted into an old block', INSERT('CHAIN', '3', '5'), 'row-changed', 3],
    ['a row inserted into an unknown chain', INSERT('gen_random_uuid()', '3', '0'), 'row-without-block', 3],
    [
      'a row inserted into a future block of a live chain',
      INSERT('OTHER', '99', '0'),
      'row-without-block',
      99,
    ],
    [
      'a row copied from another chain',
      `insert into noetl.secret_audit
       select (jsonb_populate_record(r, jsonb_build_object('audit_id', ROW + 1, 'chain_id', CHAIN, 'recorded_at', now()))).*
       from noetl.secret_audit r where chain_id = OTHER and block_no = 3 and block_index = 2`,
      'row-changed',
      3,
    ],
    ['a row inserted without a block', INSERT('null', 'null', 'null'), 'row-changed', undefined],
    [
      'a row inserted by the original’s statement',
      `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (ROW + 1, 'c', 'o', 'ok')`,
      'row-unsigned',
      undefined,
    ],
    [
      'the rows of a chain blanked, and its blocks dropped',
      `delete from noetl.secret_audit_block where chain_id = CHAIN;
       update noetl.secret_audit set chain_id = null, block_no = null, block_index = null where chain_id = CHAIN`,
      'row-unsigned',
      undefined,
    ],
    [
      'two rows swapped in their block',
      `update noetl.secret_audit set block_index = 3 - block_index
       where chain_id = CHAIN and block_no = 3 and block_index in (1, 2)`,
      'row-misplaced',
      3,
    ],
    [
      'a block deleted in the middle, with its rows',
      `delete from noetl.secret_audit where chain_id = CHAIN and block_no = 3;
       delete from noetl.secret_audit_block where chain_id = CHAIN and block_no = 3`,
      'block-missing',
      3,
    ],
    [
      'two blocks with one number',
      `alter table noetl.secret_audit_block drop constraint secret_audit_block_pkey;
       insert into noetl.secret_audit_block select * from noetl.secret_audit_block where chain_id = CHAIN and block_no = 3`,
      'block-repeated',
      3,
    ],
    [
      'a block squatted with a bad signature',
      `insert into noetl.secret_audit_block
       select chain_id, 99, log, 'idle', prev_hash, null, null, sha256(''), 0, row_total, lost_total, block_time, body, signatures
       from noetl.secret_audit_block where chain_id = OTHER and block_no = 5`,
      'block-missing',
      6,
    ],
    [
      'the enrolment signature stripped',
      `update noetl.secret_audit_block set signatures = split_part(signatures, e'\\n', 1) || e'\\n'
       where chain_id = CHAIN and block_no = 0`,
      'chain-unenrolled',
      0,
    ],
    [
      'a partition detached',
      `do $$ begin execute format('alter table noetl.secret_audit detach partition %s',
         (select tableoid::regclass from noetl.secret_audit where audit_id = ROW)); end $$`,
      'row-missing',
      1,
    ],
    [
      'the time of a block changed',
      'update noetl.secret_audit_block set block_time = block_time + 1 where chain_id = CHAIN and block_no = 3',
      'block-signature',
      3,
    ],
  ])('%s', async (_, attack, expected, block) => {
    const { code, found } = await after(({ sql }) => sql(attack))
    expect(code).toBe(1)
    const finding = found.find((candidate) => candidate.code === expected)
    expect(finding).toMatchObject({ code: expected, ...(block === undefined ? {} : { block }) })
    if (expected.startsWith('row-') && expected !== 'row-missing') expect(finding?.auditId).toMatch(/^\d+$/)
  })

  test('a chain of somebody else’s added: only to one who knows the operator’s key', async () => {
    const { PostgresAuditSink } = await import('../../src/postgres/write/sink.js')
    const { anEvent, batchOf } = await import('../support/events.js')
    const attack = async ({ url }: Scene): Promise<void> => {
      const sink = new PostgresAuditSink({ databaseUrl: url, origin: ORIGIN })
      await sink.write(batchOf(anEvent()))
      await sink.close()
    }
    const { code, found } = await after(attack)
    expect([code, found]).toMatchObject([1, [{ code: 'chain-unenrolled', block: 0 }]])
    expect((await after(attack, [])).code).toBe(0)
  })

  test('what is not signed leaves a row that is foreign: when it was recorded, and by which transaction', async () => {
    const attack: Parameters<typeof after>[0] = ({ sql }) =>
      sql(`update noetl.secret_audit set recorded_at = now(), recorded_xid = 1`)
    const { code, report } = await after(attack)
    expect([code, report['findings'], report['foreign']]).toEqual([1, { 'row-foreign': 15 }, 57])
    const restored = file('restored.trust', `unsigned none\nrestored below ${2n ** 63n - 1n}\n`)
    const told = await after(attack, ['--trust', restored])
    expect([told.code, told.report['findings'], told.report['foreign']]).toEqual([0, {}, 57])
  })
})

describe('found with anchors only', () => {
  const withAnchors = (): string[] => ['--trust', trust, '--anchors', anchors]
  const CUT = `delete from noetl.secret_audit where chain_id = OTHER and block_no >= 4;
    delete from noetl.secret_audit_block where chain_id = OTHER and block_no >= 4`
  const DROP = `delete from noetl.secret_audit where chain_id = OTHER;
    delete from noetl.secret_audit_block where chain_id = OTHER`
  const BACKUP = `delete from noetl.secret_audit where block_no >= 4; delete from noetl.secret_audit_block where block_no >= 4`

  test.each([
    ['the tail cut', CUT, 4],
    ['a whole chain deleted', DROP, 0],
    ['an old backup restored', BACKUP, 4],
  ])('%s', async (_, attack, block) => {
    expect((await after(({ sql }) => sql(attack))).code).toBe(0)
    const { code, found } = await after(({ sql }) => sql(attack), withAnchors())
    expect(code).toBe(1)
    expect(found).toContainEqual(
      expect.objectContaining({ code: 'anchor-missing', chain: honest.chains.killed, block }),
    )
    expect(new Set(found.map((finding) => finding.code))).toEqual(new Set(['anchor-missing']))
  })
})

describe('a proof of one row', () => {
  test('is exported, checked without a database, and refuted when anything of it is changed', async () => {
    const path = join(directory, 'row.json')
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

    const checked = await otelAudit(['verify', '--trust', trust, '--proof', path])
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
      const bad = file('bad.json', JSON.stringify(changed))
      const result = await otelAudit(['verify', '--trust', trust, '--proof', bad])
      expect([result.code, result.stdout]).toEqual([1, expect.stringMatching(/^refuted /)])
    }
    const other = file('other.trust', 'origin otel-audit/other\n')
    expect((await otelAudit(['verify', '--trust', other, '--proof', path])).code).toBe(1)
  })
})

describe('what cannot be checked ends with 2', () => {
  test.each<[string, () => string[], RegExp]>([
    ['no trust file', () => ['--trust', join(directory, 'none')], /\(ENOENT\)\nName an existing file/],
    ['no anchors', () => ['--anchors', join(directory, 'none')], /\(ENOENT\)\nName an existing file/],
    ['a trust file that is none', () => ['--trust', file('bad.trust', 'origin x\nfoo')], /line 2/],
    ['anchors that are none', () => ['--anchors', file('bad.jsonl', '{}\nhello')], /line 2/],
    ['a row that is not there', () => ['--row', '7', '--proof', join(directory, 'x')], /no row 7/],
    [
      'a range the wrong way round',
      () => ['--from', '2026-02-01', '--to', '2026-01-01'],
      /--from is after --to/,
    ],
    ['a time that is none', () => ['--from', 'yesterday'], /ISO 8601/],
    ['a chain that is none', () => ['--chain', 'x'], /32 hex digits/],
    ['an unknown format', () => ['--format', 'xml'], /xml/],
    ['a proof that is none', () => ['--proof', file('bad-proof.json', '[]')], /format/],
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

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { afterAttack, type Outcome, type Scene } from './attack.js'
import { AuditorFiles } from './auditor-files.js'
import { honestTrail, type HonestTrail, ORIGIN } from './honest-trail.js'

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

/** Runs an attack on a copy of the honest database, and verifies what is left. */
const after = (
  attack: (scene: Scene) => Promise<unknown>,
  flags: readonly string[] = ['--trust', files.trust],
): Promise<Outcome & { readonly auditId: string }> => afterAttack(honest, attack, flags)

const INSERT = (chain: string, block: string, index: string): string =>
  `insert into noetl.secret_audit (audit_id, credential, operation, outcome, event_digest, chain_id, block_no, block_index)
   values (ROW + 1, 'forged', 'get_credential', 'ok', sha256('x'), ${chain}, ${block}, ${index})`

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
      'the signature lines of old blocks replaced by that of another block',
      `update noetl.secret_audit_block set signatures =
         (select signatures from noetl.secret_audit_block where chain_id = CHAIN and block_no = 4)
       where chain_id = CHAIN and block_no in (1, 2, 3)`,
      'block-signature',
      1,
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

  test('a block deleted, and what lies before the gap rewritten', async () => {
    const { rewrite } = await import('./forger.js')
    const { generateNoteKey } = await import('../../src/chain/note-key.js')
    const chain = honest.chains.idle
    const { signer: key } = generateNoteKey(`${ORIGIN}/${chain}`)
    const { code, found, report } = await after(async (scene) => {
      await scene.sql(`update noetl.secret_audit set outcome = 'denied' where audit_id = ROW`)
      await rewrite(scene, { chain, from: 3, to: 4, key })
      await scene.sql(`delete from noetl.secret_audit where chain_id = CHAIN and block_no = 5;
        delete from noetl.secret_audit_block where chain_id = CHAIN and block_no = 5`)
    })
    expect(code).toBe(1)
    expect(found.map((finding) => [finding.code, finding.block])).toEqual([
      ['block-signature', 3],
      ['block-signature', 4],
      ['block-missing', 5],
    ])
    expect(report['rows']).toMatchObject({ proven: 57 - 5 - 2 - 8 })
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
    const restored = files.file('restored.trust', `unsigned none\nrestored below ${2n ** 63n - 1n}\n`)
    const told = await after(attack, ['--trust', restored])
    expect([told.code, told.report['findings'], told.report['foreign']]).toEqual([0, {}, 57])
  })
})

describe('found with anchors only', () => {
  const withAnchors = (): string[] => ['--trust', files.trust, '--anchors', files.anchors]
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

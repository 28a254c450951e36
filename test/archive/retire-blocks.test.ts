import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { chainsToShorten, shorten } from '../../src/archive/chain-start-table.js'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import type { RetireContext } from '../../src/archive/retire.js'
import { proofOfRow } from '../../src/postgres/read/row-proof.js'
import { Snapshot } from '../../src/postgres/read/snapshot.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { type ChainStart, signStarts, startsSum } from '../../src/verify/chain-start.js'
import type { ChainStarts } from '../../src/verify/chain-starts.js'
import { type Finding, FindingLog } from '../../src/verify/finding.js'
import { checkStarts, pinningStarts, verifyArchive } from '../../src/archive/verify-archive.js'
import { Anchors } from '../../src/verify/anchors.js'
import { checkRowProof } from '../../src/verify/row-proof.js'
import type { Trust } from '../../src/verify/trust.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { unguard } from '../cli/honest-trail.js'
import { batchOf } from '../support/events.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'
import { OldTrail } from './old-trail.js'

// The blocks of retired rows: they go with the rows, and what is left of their chains is proven all the same.

let trail: OldTrail
/** Of a service that lived in the first month alone. */
let closed: string

beforeEach(async () => {
  trail = await OldTrail.create(4)
  const short = new PostgresAuditSink({ databaseUrl: trail.database.url, origin: 'otel-audit/wallet' })
  for (const second of [1, 2, 3, 4]) await short.write(batchOf(trail.event(0, second)))
  await short.close()
  closed = (await blocks())[0]?.chain ?? ''
  // A strict caller at a time: a block is a row.
  for (let second = 100; second < 110; second++) await trail.write(trail.event(0, second))
  await trail.fill()
  await trail.write(trail.event(3, 500))
})

afterEach(() => trail.drop())

interface BlockRow {
  readonly chain: string
  readonly no: number
  readonly kind: string
}

async function blocks(chain?: string): Promise<readonly BlockRow[]> {
  const { rows } = await trail.owner.query<BlockRow>(
    `select replace(chain_id::text, '-', '') as chain, block_no::int as no, kind from noetl.secret_audit_block
     where $1::uuid is null or chain_id = $1 order by chain_id, block_no`,
    [chain ?? null],
  )
  return rows
}

const numbers = async (chain: string): Promise<number[]> => (await blocks(chain)).map(({ no }) => no)

const verified = (trust: Partial<Trust> = {}) =>
  verifiedTrail(trail.database.url, { ...trail.trust, ...trust })

const codes = async (trust: Partial<Trust> = {}): Promise<readonly string[]> => [
  ...new Set((await verified(trust)).found.map(({ code }) => code)),
]

/** The chain of the long-lived writer. */
const long = async (): Promise<string> => (await blocks()).find(({ chain }) => chain !== closed)?.chain ?? ''

const starts = async (): Promise<number> =>
  (await trail.owner.query('select from noetl.secret_audit_chain_start')).rowCount ?? 0

describe('blocks of retired rows', () => {
  test('go with them, but for genesis and the two newest of a chain; nothing is found', async () => {
    const before = await blocks()
    await trail.archive(2)
    await trail.retire(2)
    expect(await numbers(closed)).toEqual([0, 4, 5])
    const [first, second, ...rest] = await numbers(await long())
    expect([first, second]).toEqual([0, expect.any(Number)])
    expect(second).toBeGreaterThan(5)
    expect(rest.length).toBeGreaterThan(3)
    expect((await blocks()).length).toBeLessThan(before.length)
    const report = await verified()
    expect([report.found, report.rows.partly, report.starts.size]).toEqual([[], 0, 2])
    const { found, report: inFiles } = await trail.verifyFiles()
    expect([found, inFiles?.rows.partly]).toEqual([[], 0])
    expect(trail.lines).toContainEqual(
      expect.stringMatching(/^\d+ blocks of 2 chains are retired with their rows$/),
    )
  })

  test('go on month by month, while the writer writes, and a new month is archived behind them', async () => {
    for (const month of [1, 2, 3]) {
      await trail.archive(month)
      await trail.retire(month)
      await trail.write(trail.event(3, 600 + month))
      expect((await verified()).found).toEqual([])
      expect((await trail.verifyFiles()).found).toEqual([])
    }
    const [, first = 0, ...rest] = await numbers(await long())
    expect(first).toBeGreaterThan(15)
    expect(rest).toEqual(rest.map((_, i) => first + 1 + i))
  })

  test('are those of whole months: one that is held keeps its blocks, and all that come after them', async () => {
    await trail.archive(3)
    await trail.owner.query(
      `insert into noetl.secret_audit_hold (credential, to_time, reason, added_by) values ('*', $1, 'x', 'op')`,
      [new Date(trail.months[1] ?? 0)],
    )
    const before = await blocks(await long())
    await trail.retire(3)
    expect(await blocks(await long())).toEqual(expect.arrayContaining(before.slice(0, 5)))
    expect((await verified()).found).toEqual([])
  })

  test('leave the rows that stay provable one by one', async () => {
    await trail.archive(2)
    await trail.retire(2)
    const reader = await Snapshot.open({ databaseUrl: trail.database.url, schema: 'noetl' })
    try {
      const row = (await readTrail(trail.owner)).find(({ event }) => event.auditId >= trail.bound(3))
      const proof = await proofOfRow(reader, row?.event.auditId ?? 0n)
      expect(checkRowProof(JSON.stringify(proof), trail.trust)).toMatchObject({ event: row?.event })
    } finally {
      await reader.close()
    }
  })

  test('stay where their months went without an archive', async () => {
    const before = await blocks(closed)
    await trail.retire(2, { withoutArchive: true })
    expect(await blocks(closed)).toEqual(before)
    expect(await starts()).toBe(0)
  })

  test('are deleted by nobody else', async () => {
    await expect(trail.owner.query('delete from noetl.secret_audit_block')).rejects.toThrow(/append-only/)
    await trail.archive(2)
    await trail.retire(2)
    const saying = `select set_config('otel_audit.retired_blocks', 'on', false);`
    for (const statement of [
      'delete from noetl.secret_audit_block where block_no = 1',
      `${saying} delete from noetl.secret_audit_block`,
      `${saying} delete from noetl.secret_audit_block where kind = 'genesis'`,
      'update noetl.secret_audit_block set log = log',
      'truncate noetl.secret_audit_block',
    ])
      await expect(trail.owner.query(statement)).rejects.toThrow(/append-only/)
  })

  test('are held against the archives that have them', async () => {
    await trail.archive(2)
    await trail.retire(2)
    const { starts: known } = await verified()
    const { found, report } = await trail.verifyFiles(pinningStarts(trail.trust, known))
    const inArchive = (which: ChainStarts): readonly string[] => {
      const missing: string[] = []
      const log = new FindingLog(({ code, chain }) => missing.push(`${code} ${chain}`))
      checkStarts(which, report === undefined ? [] : [report], log)
      return missing
    }
    expect([found, inArchive(known)]).toEqual([[], []])
    const start = known.get(closed)
    if (start === undefined) throw new Error('no start')
    expect(inArchive(new Map([[closed, { ...start, block: 99 }]]))).toEqual([`archive-missing ${closed}`])
    const wrong = pinningStarts(trail.trust, new Map([[closed, { ...start, hash: Buffer.alloc(32) }]]))
    expect((await trail.verifyFiles(wrong)).found.map(({ code }) => code)).toEqual(['head-mismatch'])
  })

  test('are not in a place that is begun later, which says where the chains began: it is proven by itself', async () => {
    await trail.archive(2)
    await trail.retire(2)
    const elsewhere = mkdtempSync(join(tmpdir(), 'otel-audit-elsewhere-'))
    try {
      const store = new DirectoryStore(elsewhere)
      expect((await trail.archive(3, { store })).findings).toBe(0)
      const found: Finding[] = []
      const { starts: known } = await verified()
      const { archives, report } = await verifyArchive(store, {
        trust: pinningStarts(trail.trust, known),
        anchors: new Anchors(),
        selection: { chain: undefined, ids: undefined },
        onFinding: (finding) => found.push(finding),
      })
      expect([found, archives.map(({ manifest }) => manifest.starts?.lines), report?.rows.partly]).toEqual([
        [],
        [2],
        0,
      ])
      const missing: string[] = []
      checkStarts(
        known,
        report === undefined ? [] : [report],
        new FindingLog(({ code }) => missing.push(code)),
      )
      expect(missing).toEqual([])
      // From now on it has what is retired, and the other one does not.
      await trail.retire(3)
      expect((await verified()).found).toEqual([])
      await expect(trail.archive(4)).rejects.toThrow(
        /lacks blocks of 1 chains that were retired since it was begun/,
      )
      expect((await trail.archive(4, { store })).findings).toBe(0)
    } finally {
      rmSync(elsewhere, { recursive: true })
    }
  })
})

describe('a retirement of blocks that is killed', () => {
  test.each(['before its row', 'after its row'])('%s is made good by the next run', async (when) => {
    await trail.archive(2)
    const { recordStarts } = trail.context()
    const killed: RetireContext['recordStarts'] = async (said, note) => {
      if (when === 'after its row') await recordStarts(said, note)
      throw new Error('killed')
    }
    const before = (await blocks(closed)).length
    await expect(trail.retire(2, { recordStarts: killed })).rejects.toThrow('killed')
    expect([(await blocks(closed)).length, await starts()]).toEqual([before, 0])
    expect((await verified()).found).toEqual([])
    await trail.retire(2)
    expect(await numbers(closed)).toEqual([0, 4, 5])
    expect((await verified()).found).toEqual([])
  })

  test('removes so many blocks at once, and goes on', async () => {
    await trail.owner.query(
      `insert into noetl.secret_audit_chain_start values ($1, 3, sha256(''), 0, sha256(''), 0, 0, 0)`,
      [closed],
    )
    const chains = await chainsToShorten(trail.owner, 'noetl')
    expect(chains.map((chain) => chain.replaceAll('-', ''))).toEqual([closed])
    const removed: number[] = []
    await trail.owner.query('begin')
    for (const _ of [1, 2, 3]) removed.push(await shorten(trail.owner, 'noetl', closed, 2))
    await trail.owner.query('commit')
    expect([removed, await chainsToShorten(trail.owner, 'noetl')]).toEqual([[2, 1, 0], []])
  })

  test('in the middle of the blocks is made good, and meanwhile nothing is found', async () => {
    await trail.archive(2)
    await trail.owner.query(`
      create function noetl.refuse() returns trigger language plpgsql as $$ begin raise 'killed'; end $$;
      create trigger a_refusal before delete on noetl.secret_audit_block for each row
        when (old.block_no = 3) execute function noetl.refuse()`)
    await expect(trail.retire(2)).rejects.toThrow('killed')
    expect(await starts()).toBe(2)
    expect((await verified()).found).toEqual([])
    await trail.owner.query(`select set_config('otel_audit.retired_blocks', 'on', false)`)
    await trail.owner.query('delete from noetl.secret_audit_block where block_no = 2')
    expect((await verified()).found).toEqual([])
    await trail.owner.query('drop function noetl.refuse() cascade')
    await trail.retire(2)
    expect(await numbers(closed)).toEqual([0, 4, 5])
    expect((await verified()).found).toEqual([])
  })
})

describe('verifying after the retirement of blocks finds', () => {
  beforeEach(async () => {
    await trail.archive(2)
    await trail.retire(2)
    await unguard(trail.owner)
    expect(await codes()).toEqual([])
  })

  test('a genesis block that is gone', async () => {
    await trail.owner.query(`delete from noetl.secret_audit_block where kind = 'genesis' and chain_id = $1`, [
      closed,
    ])
    expect(await codes()).toContain('block-missing')
  })

  test('a block after the retired ones that is gone, or all of them', async () => {
    await trail.owner.query('delete from noetl.secret_audit_block where block_no = 4 and chain_id = $1', [
      closed,
    ])
    expect(await codes()).toEqual(['block-missing'])
    await trail.owner.query('delete from noetl.secret_audit_block where block_no = 5 and chain_id = $1', [
      closed,
    ])
    expect(await codes()).toEqual(['block-missing'])
  })

  test('a whole chain that is gone', async () => {
    await trail.owner.query('delete from noetl.secret_audit_block where chain_id = $1', [closed])
    expect(await codes()).toEqual(['chain-missing'])
  })

  test('a start that was moved, altered, removed or made up', async () => {
    await trail.owner.query('update noetl.secret_audit_chain_start set block_no = block_no + 1')
    expect(await codes()).toEqual(['start-altered', 'block-missing'])
    await trail.owner.query('update noetl.secret_audit_chain_start set block_no = block_no - 1')
    expect(await codes()).toEqual([])
    await trail.owner.query('update noetl.secret_audit_chain_start set row_total = row_total + 1')
    expect(await codes()).toContain('start-altered')
    await trail.owner.query('update noetl.secret_audit_chain_start set row_total = row_total - 1')
    await trail.owner.query('delete from noetl.secret_audit_chain_start where chain_id = $1', [closed])
    expect(await codes()).toEqual(['start-altered', 'block-missing'])
    await trail.owner.query('delete from noetl.secret_audit_chain_start')
    expect(await codes()).toEqual(['block-missing'])
    const { signer } = trail.key
    await expect(trail.retire(3, { signer })).resolves.toBeDefined()
  })

  test('the row about them removed, or of a key that the trust file does not name', async () => {
    const other = generateNoteKey('otel-audit/wallet/retention')
    expect(await codes({ retention: [other.signer.key] })).toContain('start-altered')
    await trail.owner.query(`delete from noetl.secret_audit where operation = 'audit_retention'
      and attributes->>'state' = 'chain starts'`)
    expect(await codes()).toContain('start-altered')
    await expect(trail.retire(2)).rejects.toThrow(
      /where chains begin is not what the retention key has signed/,
    )
  })

  test('a past that the retention key alone has made up: the writers’ blocks do not follow from it', async () => {
    await trail.owner.query(
      'update noetl.secret_audit_chain_start set block_hash = sha256(block_hash) where chain_id = $1',
      [closed],
    )
    const reader = await Snapshot.open({ databaseUrl: trail.database.url, schema: 'noetl' })
    const made: ChainStart[] = []
    for await (const batch of reader.chainStarts()) made.push(...batch)
    const said = {
      log: 'otel-audit/wallet',
      trail: await reader.trail(),
      chains: made.length,
      sum: startsSum(made),
      manifest: '0'.repeat(64),
      time: Date.now() * 1000,
    }
    await reader.close()
    await trail.context().recordStarts(said, signStarts(said, trail.key.signer))
    expect(await codes()).toEqual(['block-prev'])
    await trail.owner.query(`update noetl.secret_audit_chain_start set key_hash = sha256(key_hash)`)
    expect(await codes()).toContain('start-altered')
  })
})

test('a block that is not what was archived is not removed', async () => {
  await trail.archive(2)
  await unguard(trail.owner)
  await trail.owner.query(
    `update noetl.secret_audit_block set signatures = signatures || 'x' where block_no = 2`,
  )
  await expect(trail.retire(2)).rejects.toThrow(/is not what was archived/)
  expect((await blocks(closed)).length).toBe(6)
  expect(await starts()).toBe(0)
})

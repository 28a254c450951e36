import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { eventDigest } from '../../src/event/digest.js'
import type { Finding } from '../../src/verify/finding.js'
import type { Trust } from '../../src/verify/trust.js'
import { unguard } from '../cli/honest-trail.js'
import { connect } from '../support/database.js'
import { Snapshot } from '../../src/postgres/read/snapshot.js'
import { proofOfRow } from '../../src/postgres/read/row-proof.js'
import { checkRowProof } from '../../src/verify/row-proof.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail, type VerifiedTrail } from '../support/verified.js'
import { OldTrail } from './old-trail.js'

let trail: OldTrail

beforeEach(async () => {
  trail = await OldTrail.create(4)
  await trail.fill()
})

afterEach(() => trail.drop())

const verified = (trust: Partial<Trust> = {}): Promise<VerifiedTrail> =>
  verifiedTrail(trail.database.url, { ...trail.trust, ...trust })
const codes = (found: readonly Finding[]): string[] => [...new Set(found.map(({ code }) => code))].toSorted()
const states = async (): Promise<string[]> =>
  (
    await trail.owner.query<{ state: string }>(
      'select state from noetl.secret_audit_retirement order by to_id',
    )
  ).rows.map(({ state }) => state)
const liveIds = async (): Promise<bigint[]> =>
  (await readTrail(trail.owner)).map(({ event }) => event.auditId)

describe('retiring', () => {
  test('takes months out of the trail, and verifying finds nothing, with what is left of their rows', async () => {
    const before = await readTrail(trail.owner)
    await trail.archive(3)
    const outcomes = await trail.retire(3)
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['retired', 'retired', 'retired'])
    expect(await states()).toEqual(['retired', 'retired', 'retired'])
    const left = await readTrail(trail.owner)
    expect(left.filter(({ event }) => event.auditId < trail.bound(3))).toEqual([])
    const kept = before.filter(({ event }) => event.auditId >= trail.bound(3))
    expect(left.slice(0, kept.length)).toEqual(kept)
    const { found, rows, retention } = await verified()
    expect(found).toEqual([])
    expect(rows).toMatchObject({ partly: 0, kept: 0, retired: 20 })
    expect(retention.map(({ state, manifests }) => [state, manifests.length])).toEqual([
      ['retired', 1],
      ['retired', 1],
      ['retired', 1],
    ])
    expect((await trail.verifyFiles()).found).toEqual([])
  })

  test('tells what became of each month before the next one, which may fail', async () => {
    await trail.archive(3)
    const told: string[] = []
    const { record } = trail.context()
    const failing = trail.retire(3, {
      onOutcome: ({ outcome }) => told.push(outcome),
      record: async (retention, note) => {
        if (retention.to === trail.bound(2)) throw new Error('no connection')
        await record(retention, note)
      },
    })
    await expect(failing).rejects.toThrow('no connection')
    expect(told).toEqual(['retired'])
    expect(await states()).toEqual(['retired', 'archived', 'archived'])
    expect((await trail.retire(3)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
  })

  test('leaves the rows of a block that reaches over the bound provable, one by one', async () => {
    await trail.archive(2)
    await trail.retire(2)
    const [first] = await readTrail(trail.owner)
    const reader = await Snapshot.open({ databaseUrl: trail.database.url, schema: 'noetl' })
    try {
      const proof = await proofOfRow(reader, first?.event.auditId ?? 0n)
      const { event, block } = checkRowProof(JSON.stringify(proof), trail.trust)
      expect(event).toEqual(first?.event)
      expect((block.ids?.first ?? 0n) < trail.bound(2)).toBe(true)
    } finally {
      await reader.close()
    }
  })

  test('takes a table that was adopted, without a lower bound, and times that are no times', async () => {
    const first = trail.bound(0)
    await trail.owner.query(`
      create table noetl.secret_audit_adopted (like noetl.secret_audit including defaults including constraints);
      insert into noetl.secret_audit_adopted (audit_id, credential, operation, outcome, occurred_at)
      values (-7, 'c', 'o', 'ok', 'infinity'), (5, 'c', 'o', 'ok', '-infinity'), (6, E'\t"x"', 'o', 'ok', '0044-03-15 BC');
      alter table noetl.secret_audit attach partition noetl.secret_audit_adopted for values from (minvalue) to (${first})`)
    expect((await trail.archive(1)).archived.map(({ name, rows }) => [name, rows])).toEqual([
      ['secret_audit_adopted', 3],
      [expect.stringMatching(/^secret_audit_y/), 7],
    ])
    expect((await trail.retire(1)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
    expect((await trail.verifyFiles()).found).toEqual([])
    expect((await verified()).found).toEqual([])
  })

  test('with another key than archived takes a trust file that names both', async () => {
    await trail.archive(1)
    const next = generateNoteKey(trail.key.signer.name)
    const { signer } = next
    await expect(trail.retire(1, { signer })).rejects.toThrow(/no known key has signed it/)
    expect(await trail.retire(1, { signer, trust: trail.trust })).toMatchObject([{ outcome: 'retired' }])
    const keys = [trail.key.signer.key, signer.key]
    expect((await verified({ retention: keys })).found).toEqual([])
    expect(codes((await verified()).found)).toContain('retention-refused')
  })

  test('needs an archive that is proven, and where it was put', async () => {
    expect(await trail.retire(3)).toMatchObject([
      { outcome: 'not archived' },
      { outcome: 'not archived' },
      { outcome: 'not archived' },
    ])
    await trail.archive(1)
    rmSync(trail.directory, { recursive: true })
    await expect(trail.retire(1)).rejects.toMatchObject({ code: 'AUDIT_ARCHIVE' })
    expect(await states()).toEqual(['archived'])
    expect(await liveIds()).toHaveLength(29)
  })

  test('without an archive is said in the trail', async () => {
    expect(await trail.retire(1, { withoutArchive: true })).toMatchObject([
      { outcome: 'retired', detail: 'without an archive' },
    ])
    const { found, retention } = await verified()
    expect(found).toEqual([])
    expect(retention).toMatchObject([{ state: 'retired', manifests: [] }])
  })

  test('is said before the rows are gone: meanwhile they are retiring, not missing', async () => {
    await trail.archive(1)
    const reader = await connect(trail.database.url)
    await reader.query('begin isolation level repeatable read; select count(*) from noetl.secret_audit')
    // It began before the reader was older than anybody's patience: then it waits for it.
    const outcome = trail.retire(1, { patienceMs: 0 })
    expect(await outcome).toMatchObject([
      { outcome: 'in the way', detail: expect.stringMatching(/^pid \d+/) },
    ])
    expect(await states()).toEqual(['archived'])
    await reader.query('commit')
    await reader.end()
    expect(await trail.retire(1)).toMatchObject([{ outcome: 'retired' }])
  })
})

describe('rows that come between archive and detachment', () => {
  test('go into a further archive, and none is lost', async () => {
    await trail.archive(2)
    const late = [trail.event(0, 100), trail.event(0, 101), trail.event(2, 100)]
    await trail.write(...late)
    const alone = trail.event(1, 200, { credential: 'late' })
    await trail.write(alone)
    const before = await liveIds()
    expect((await trail.retire(2)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
    const { found, report, archives } = await trail.verifyFiles()
    expect(found).toEqual([])
    expect(archives.map(({ manifest }) => manifest.rows)).toEqual([7, 7, 2, 1])
    const rows = report?.rows
    const inFiles = (rows?.proven ?? 0) + (rows?.unsigned ?? 0)
    expect(inFiles).toBe(before.filter((id) => id < trail.bound(2)).length)
    const live = await verified()
    expect(live.found).toEqual([])
    expect(live.rows.partly).toBe(0)
  })

  test('one that was altered after it was archived is not dropped', async () => {
    await trail.archive(1)
    await unguard(trail.owner)
    await trail.owner.query(`update noetl.secret_audit set notes = 'x' where audit_id in (
      select audit_id from noetl.secret_audit where chain_id is not null order by 1 limit 1)`)
    await expect(trail.retire(1)).rejects.toThrow(/is not what was archived/)
    expect(await states()).toEqual(['detached'])
    const { rowCount } = await trail.owner.query(
      `select from pg_class where relname = (select partition from noetl.secret_audit_retirement)`,
    )
    expect(rowCount).toBe(1)
  })

  test('one that was deleted since is told', async () => {
    await trail.archive(1)
    await unguard(trail.owner)
    await trail.owner.query(
      'delete from noetl.secret_audit where audit_id = (select min(audit_id) from noetl.secret_audit)',
    )
    await expect(trail.retire(1)).rejects.toThrow(/was archived, and is not in the trail any more/)
  })
})

describe('verifying after retirement finds', () => {
  beforeEach(async () => {
    await trail.archive(2)
    await trail.retire(2)
    await unguard(trail.owner)
    expect((await verified()).found).toEqual([])
  })

  const straddling = (): string =>
    `(select audit_id from noetl.secret_audit where audit_id >= ${trail.bound(2)} order by 1 limit 1)`

  test('a row of a block that reaches over the bound, altered with its digest', async () => {
    const [first] = await readTrail(trail.owner)
    if (first === undefined) throw new Error('no rows')
    const forged = { ...first.event, notes: 'forged' }
    await trail.owner.query(
      `update noetl.secret_audit set notes = 'forged', event_digest = $1 where audit_id = ${straddling()}`,
      [eventDigest(forged)],
    )
    expect(codes((await verified()).found)).toEqual(['block-root'])
  })

  test('such a row deleted, with a digest put in its place', async () => {
    await trail.owner.query(`insert into noetl.secret_audit_leaf (chain_id, block_no, block_index, digest, partition)
      select chain_id, block_no, block_index, event_digest, (select min(partition) from noetl.secret_audit_leaf)
      from noetl.secret_audit where audit_id = ${straddling()}`)
    await trail.owner.query(`delete from noetl.secret_audit where audit_id = ${straddling()}`)
    expect(codes((await verified()).found)).toContain('leaf-altered')
  })

  test('a digest of a retired row altered, or removed', async () => {
    await trail.owner.query(`update noetl.secret_audit_leaf set digest = sha256(digest)`)
    expect(codes((await verified()).found)).toEqual(['block-root', 'leaf-altered'])
    await trail.owner.query('delete from noetl.secret_audit_leaf')
    expect(codes((await verified()).found)).toContain('leaf-altered')
  })

  test('the row about it removed', async () => {
    await trail.owner.query(`delete from noetl.secret_audit where operation = 'audit_retention'`)
    expect(codes((await verified()).found)).toEqual(['block-missing', 'row-missing', 'start-altered'])
  })

  test('a retention row that no retention key has signed: of a service, or of another operator', async () => {
    const other = generateNoteKey('otel-audit/wallet/retention')
    const { found } = await verified({ retention: [other.signer.key] })
    expect(codes(found)).toEqual(['block-missing', 'retention-refused', 'row-missing', 'start-altered'])
    expect(codes((await verified({ retention: undefined })).found)).toEqual([
      'block-missing',
      'retention-refused',
      'row-missing',
      'start-altered',
    ])
  })
})

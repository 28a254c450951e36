import { beforeEach, describe, expect, test } from 'vitest'
import { BLOCKS_PER_KEY, chainIdOf, rowLeaf } from '../../src/chain/block.js'
import { textOfColumns } from '../../src/chain/block-columns.js'
import { merkleRoot } from '../../src/chain/merkle.js'
import { signatureLines } from '../../src/chain/note.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import type { Finding } from '../../src/verify/finding.js'
import type { Trust } from '../../src/verify/trust.js'
import { eventDigest } from '../../src/event/digest.js'
import type { AuditEvent } from '../../src/event/event.js'
import { anEvent } from '../support/events.js'
import { LOG, MemoryTrail, MemoryWriter, type StoredRow, verified } from './memory-trail.js'

// What somebody can do who may write to both tables, but has no key. In memory; on a real database elsewhere.

const OPERATOR = generateNoteKey(`${LOG}/enrolment`)

let trail: MemoryTrail
/** Several writers, whose blocks interleave. */
let writers: readonly [MemoryWriter, MemoryWriter, MemoryWriter]
let victim: MemoryWriter

beforeEach(() => {
  trail = new MemoryTrail()
  writers = [1, 2, 3].map(() => new MemoryWriter(trail, OPERATOR.signer)) as unknown as typeof writers
  for (const size of [3, 1, 5, 2, 8]) for (const writer of writers) writer.write(size)
  writers[0].end('close')
  writers[1].end('idle')
  victim = writers[1]
})

const TRUST: Partial<Trust> = { origin: LOG, enrolment: [OPERATOR.signer.key], unsigned: 'none' }

async function findings(trust: Partial<Trust> = TRUST): Promise<readonly Finding[]> {
  return (await verified(trail, trust)).found
}

const row = (block: number, index: number): StoredRow => trail.rowAt(victim.id, block, index)

/** A change that also makes the row's digest right again. */
function change(target: StoredRow, fields: Partial<AuditEvent>): void {
  target.event = { ...target.event, ...fields }
  target.digest = eventDigest(target.event)
}

/** Puts count, ids and root of a block in order, as far as that goes without its key. */
function refit(block: number): void {
  const rows = trail.rowsOf(victim.id, block).toSorted((a, b) => Number(a.event.auditId - b.event.auditId))
  for (const [index, target] of rows.entries()) target.index = index
  const columns = trail.blockAt(victim.id, block)
  columns.rowCount = rows.length
  columns.minId = rows[0]?.event.auditId ?? null
  columns.maxId = rows.at(-1)?.event.auditId ?? null
  columns.root = merkleRoot(
    rows.map(({ digest }, i) => rowLeaf(victim.id, block, i, digest ?? Buffer.alloc(32))),
  )
}

test('nothing was done: nothing is found', async () => {
  const { found, rows, chains } = await verified(trail, TRUST)
  expect(found).toEqual([])
  expect(rows).toEqual({ proven: 57, unsigned: 0, partly: 0, retired: 0, kept: 0 })
  expect(chains.map(({ end }) => end).toSorted()).toEqual(['closed', 'idle', 'open'])
})

describe('a row', () => {
  test.each<[keyof AuditEvent, AuditEvent[keyof AuditEvent]]>([
    ['auditId', 0n],
    ['occurredAt', 1],
    ['credential', 'other'],
    ['operation', 'other'],
    ['outcome', 'other'],
    ['workerId', 'other'],
    ['executionId', 1n],
    ['parentExecutionId', 1n],
    ['serverRegion', 'other'],
    ['brokerRegion', 'other'],
    ['kekVersion', 'other'],
    ['notes', 'other'],
    ['actorId', 'other'],
    ['actorType', 'system'],
    ['sourceAddress', 'other'],
    ['serviceName', 'other'],
    ['serviceInstanceId', 'other'],
    ['traceId', 'other'],
    ['spanId', 'other'],
    ['attributesJson', '{}'],
    ['originalAuditId', 1n],
  ])('changed in %s', async (field, value) => {
    const target = row(3, 2)
    const changed = { [field]: field === 'auditId' ? target.event.auditId + 1n : value }
    target.event = { ...target.event, ...changed }
    const { auditId } = target.event
    expect(await findings()).toEqual([
      expect.objectContaining({ code: 'row-changed', chain: victim.id, block: 3, auditId }),
    ])
    change(target, {})
    expect(await findings()).toEqual([
      expect.objectContaining({ code: 'block-root', chain: victim.id, block: 3 }),
    ])
  })

  test.each(['digest', 'chain', 'block', 'index'] as const)('without its %s', async (column) => {
    const target = row(3, 2)
    target[column] = null
    const { auditId } = target.event
    const codes = (await findings()).map(({ code }) => code).toSorted()
    expect(codes).toEqual(column === 'digest' ? ['row-changed'] : ['row-misplaced', 'row-missing'])
    const [first] = await findings()
    expect(first).toMatchObject({ auditId })
  })

  test.each([0, 2, 4])('deleted: index %i', async (index) => {
    const target = row(3, index)
    trail.rows = trail.rows.filter((candidate) => candidate !== target)
    expect(await findings()).toEqual([
      {
        code: 'row-missing',
        message: `1 of its 5 rows is missing, from index ${index} on`,
        chain: victim.id,
        block: 3,
      },
    ])
    // And with the block made to fit.
    refit(3)
    expect((await findings()).map(({ code, block }) => [code, block])).toContainEqual(['block-signature', 3])
  })

  test('inserted into an old block', async () => {
    const { event } = row(3, 2)
    const inserted = anEvent({}, { auditId: event.auditId + 1n })
    const place = { chain: victim.id, block: 3 }
    trail.insert({ event: inserted, digest: eventDigest(inserted), ...place, index: 5 })
    const codes = (await findings()).map(({ code }) => code)
    expect(codes).toContain('row-misplaced')
    refit(3)
    expect((await findings()).map(({ code, block }) => [code, block])).toContainEqual(['block-signature', 3])
  })

  test('inserted into a block that does not reach to it, into an unknown chain, into a future block', async () => {
    for (const [chain, block] of [
      [victim.id, 1],
      ['0'.repeat(32), 1],
      [victim.id, 99],
      [victim.id, 0],
    ] as const) {
      const event = anEvent()
      trail.insert({ event, digest: eventDigest(event), chain, block, index: 0 })
      expect(await findings()).toEqual([
        expect.objectContaining({ code: 'row-without-block', chain, block, auditId: event.auditId }),
      ])
      trail.rows.pop()
    }
  })

  test('replaced by one from beyond the ids that its block signed', async () => {
    const last = row(3, 4)
    const event = anEvent()
    trail.rows = trail.rows.filter((candidate) => candidate !== last)
    trail.insert({ ...last, event, digest: eventDigest(event) })
    expect((await findings()).map(({ code, auditId }) => [code, auditId])).toEqual([
      ['row-without-block', event.auditId],
      ['row-missing', undefined],
    ])
  })

  test('copied from another chain', async () => {
    const other = trail.rowAt(writers[2].id, 3, 1)
    trail.insert({
      ...other,
      event: { ...other.event, auditId: row(3, 1).event.auditId + 1n },
      chain: victim.id,
    })
    expect((await findings()).map(({ code }) => code)).toContain('row-changed')
    trail.rows.pop()
    // The very row, where the primary key was dropped.
    trail.insert({ ...other })
    expect((await findings())[0]).toMatchObject({ code: 'row-misplaced', auditId: other.event.auditId })
  })

  test('inserted without a block', async () => {
    const event = anEvent()
    trail.insert({ event, digest: eventDigest(event), chain: null, block: null, index: null })
    const unsigned = expect.objectContaining({ code: 'row-unsigned', auditId: event.auditId })
    expect(await findings()).toEqual([unsigned])
    expect(await findings({ ...TRUST, unsigned: { before: event.auditId } })).toEqual([unsigned])
    expect(await findings({ ...TRUST, unsigned: { before: event.auditId + 1n } })).toEqual([])
    const { found, rows } = await verified(trail, { ...TRUST, unsigned: 'any' })
    expect([found, rows.unsigned]).toEqual([[], 1])
  })

  test('with a negative id does not hide', async () => {
    const event = { ...anEvent(), auditId: -5n }
    trail.insert({ event, digest: eventDigest(event), chain: null, block: null, index: null })
    expect(await findings()).toMatchObject([{ code: 'row-unsigned', auditId: -5n }])
  })

  test('swapped with another: their contents, or their places', async () => {
    const [a, b] = [row(3, 1), row(3, 3)]
    const [eventA, eventB] = [a.event, b.event]
    change(a, { ...eventB, auditId: eventA.auditId })
    change(b, { ...eventA, auditId: eventB.auditId })
    expect(await findings()).toMatchObject([{ code: 'block-root', chain: victim.id, block: 3 }])
    change(a, eventA)
    change(b, eventB)
    ;[a.index, b.index] = [b.index, a.index]
    expect((await findings())[0]).toMatchObject({ code: 'row-misplaced', chain: victim.id, block: 3 })
  })

  test('moved to the same place of another block', async () => {
    const [a, b] = [row(1, 0), row(3, 0)]
    ;[a.event, b.event] = [b.event, a.event]
    ;[a.digest, b.digest] = [b.digest, a.digest]
    expect((await findings()).map(({ code }) => code)).toContain('row-without-block')
  })

  test('all rows of a chain blanked, and its blocks dropped', async () => {
    trail.table = trail.table.filter(({ chainId }) => chainId !== victim.id)
    for (const target of trail.rows) {
      if (target.chain === victim.id) Object.assign(target, { chain: null, block: null, index: null })
    }
    const found = await findings()
    expect(found).toHaveLength(19)
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['row-unsigned']))
  })
})

describe('a block', () => {
  test.each<[string, object, string]>([
    ['log', { log: 'otel-audit/other' }, 'block-signature'],
    ['kind', { kind: 'rotate' }, 'block-malformed'],
    ['previous hash', { prevHash: Buffer.alloc(32) }, 'block-signature'],
    ['smallest id', { minId: 1n }, 'block-signature'],
    ['largest id', { maxId: 2n ** 62n }, 'block-signature'],
    ['root', { root: Buffer.alloc(32) }, 'block-signature'],
    ['rows', { rowCount: 6 }, 'block-signature'],
    ['total', { rowTotal: 5n }, 'block-signature'],
    ['losses', { lostTotal: 5n }, 'block-signature'],
    ['time', { blockTime: 5n }, 'block-signature'],
    ['body', { body: 'x\n' }, 'block-malformed'],
    ['signatures', { signatures: '' }, 'block-signature'],
  ])('changed in its %s', async (_, changed, code) => {
    Object.assign(trail.blockAt(victim.id, 3), changed)
    expect((await findings())[0]).toMatchObject({ code, chain: victim.id, block: 3 })
  })

  test('deleted in the middle: with its rows, and without', async () => {
    trail.dropBlock(victim.id, 3)
    const found = await findings()
    expect(found[0]).toMatchObject({ code: 'block-missing', chain: victim.id, block: 3 })
    expect(found.filter(({ code }) => code === 'row-without-block')).toHaveLength(5)
    trail.rows = trail.rows.filter((candidate) => candidate.chain !== victim.id || candidate.block !== 3)
    expect(await findings()).toMatchObject([{ code: 'block-missing', chain: victim.id, block: 3 }])
  })

  test('of genesis deleted', async () => {
    trail.dropBlock(victim.id, 0)
    expect(await findings()).toMatchObject([{ code: 'block-missing', block: 0 }])
  })

  test('there twice', async () => {
    trail.table.push({ ...trail.blockAt(victim.id, 3) })
    expect((await findings())[0]).toMatchObject({ code: 'block-repeated', chain: victim.id, block: 3 })
  })

  test('squatted: a future number with a signature of somebody else', async () => {
    const other = generateNoteKey(`${LOG}/${victim.id}`)
    const squatted = { ...trail.blockAt(victim.id, 6), blockNo: 7n }
    squatted.signatures = signatureLines(textOfColumns(squatted), [other.signer])
    trail.table.push(squatted)
    expect((await findings())[0]).toMatchObject({ code: 'block-signature', chain: victim.id, block: 7 })
  })

  test('added after the chain was closed', async () => {
    const [closed] = writers
    const columns = { ...trail.blockAt(closed.id, 6), blockNo: 7n }
    trail.table.push(columns)
    const codes = (await findings()).map(({ code, block }) => [code, block])
    expect(codes).toEqual([
      ['block-after-close', 7],
      ['block-signature', 7],
    ])
  })

  test('of another chain, under the number of one of this', async () => {
    trail.dropBlock(victim.id, 3)
    trail.table.push({ ...trail.blockAt(writers[2].id, 3), chainId: victim.id })
    expect((await findings())[0]).toMatchObject({ code: 'block-signature', block: 3 })
  })
})

describe('a whole chain', () => {
  /** Signs all blocks of the victim again, with another key. */
  function signAgain(chain: string, signerKey = generateNoteKey(`${LOG}/${chain}`)): void {
    for (const columns of trail.table.filter(({ chainId }) => chainId === victim.id)) {
      columns.chainId = chain
      if (columns.kind === 'genesis')
        columns.body = columns.body.replace(/^writer .*/, `writer ${signerKey.verifierKey}`)
      columns.signatures = signatureLines(textOfColumns(columns), [signerKey.signer])
    }
    for (const target of trail.rows) if (target.chain === victim.id) target.chain = chain
  }

  test('signed again with a key of one’s own, under its id', async () => {
    signAgain(victim.id)
    const codes = (await findings({})).map(({ code }) => code)
    expect(codes).toContain('chain-id')
  })

  test('rewritten as a new one: only the operator’s key tells', async () => {
    // A chain id needs the key first: a new chain, with rows of the attacker's liking.
    trail.table = trail.table.filter(({ chainId }) => chainId !== victim.id)
    trail.dropRows(victim.id)
    const attacker = new MemoryWriter(trail)
    attacker.write(4)
    attacker.end('close')
    expect(await findings()).toMatchObject([{ code: 'chain-unenrolled', chain: attacker.id, block: 0 }])
    expect(await findings({ origin: LOG })).toEqual([])
  })

  test('with its enrolment signature stripped, or forged', async () => {
    const genesis = trail.blockAt(victim.id, 0)
    const [own = '', operator = ''] = genesis.signatures.split(/(?<=\n)/)
    genesis.signatures = own
    expect(await findings()).toMatchObject([{ code: 'chain-unenrolled', chain: victim.id }])
    const forged = generateNoteKey(OPERATOR.signer.name)
    genesis.signatures = own + signatureLines(textOfColumns(genesis), [forged.signer])
    expect(await findings()).toMatchObject([{ code: 'chain-unenrolled', chain: victim.id }])
    genesis.signatures = own + operator
    expect(await findings()).toEqual([])
  })

  test('of another log', async () => {
    expect(await findings({ ...TRUST, origin: 'otel-audit/other' })).toContainEqual(
      expect.objectContaining({ code: 'chain-origin', block: 0, chain: victim.id }),
    )
  })

  test('rewritten before its last rotation, with the key of today', async () => {
    while ((victim.chain.head?.block.number ?? 0) <= BLOCKS_PER_KEY) victim.write(1)
    expect(await findings()).toEqual([])
    const today = generateNoteKey(`${LOG}/${victim.id}`)
    const rotation = trail.blockAt(victim.id, BLOCKS_PER_KEY)
    rotation.body = `writer ${today.verifierKey}\n`
    const forged = trail.blockAt(victim.id, 3)
    forged.rowCount = 4
    forged.signatures = signatureLines(textOfColumns(forged), [today.signer])
    const codes = (await findings()).map(({ code, block }) => [code, block])
    expect(codes).toContainEqual(['block-signature', 3])
    expect(codes).toContainEqual(['block-signature', BLOCKS_PER_KEY])
  })

  test('deleted, when another one continues it', async () => {
    const next = new MemoryWriter(trail, undefined, victim.chain.successor())
    next.write(2)
    next.end('close')
    expect((await findings({ origin: LOG })).map(({ code }) => code)).toEqual([])
    trail.dropBlock(victim.id, 6)
    expect(await findings({ origin: LOG })).toMatchObject([
      { code: 'block-missing', chain: victim.id, block: 6 },
    ])
    trail.table = trail.table.filter(({ chainId }) => chainId !== victim.id)
    trail.dropRows(victim.id)
    expect(await findings({ origin: LOG })).toMatchObject([{ code: 'chain-missing', chain: victim.id }])
  })
})

test('a chain’s id is not to be had with another key', () => {
  expect(chainIdOf(victim.chain.head?.block.writer ? Buffer.alloc(32) : Buffer.alloc(32, 1))).not.toBe(
    victim.id,
  )
})

describe('a part of the trail', () => {
  test('shows what is wrong inside it, with whole blocks at its edges, and nothing outside', async () => {
    const target = row(3, 2)
    target.event = { ...target.event, notes: 'other' }
    const ids = { first: target.event.auditId, last: target.event.auditId }
    const inside = await verified(trail, TRUST, { ids })
    expect(inside.found).toMatchObject([{ code: 'row-changed', auditId: target.event.auditId }])
    const { auditId } = row(5, 1).event
    const outside = await verified(trail, TRUST, { ids: { first: auditId, last: auditId } })
    expect([outside.found, outside.rows.proven]).toEqual([[], 8])
  })

  test('may be one chain', async () => {
    const target = row(3, 2)
    target.event = { ...target.event, notes: 'other' }
    const { found, chains, rows } = await verified(trail, TRUST, { chain: writers[2].id })
    expect([found, chains.length, rows.proven]).toEqual([[], 1, 19])
    expect((await verified(trail, TRUST, { chain: victim.id })).found).toHaveLength(1)
  })
})

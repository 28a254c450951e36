import { beforeEach, describe, expect, test } from 'vitest'
import { merkleRoot } from '../../src/chain/merkle.js'
import { rowLeaf } from '../../src/chain/block.js'
import { newChain } from '../../src/chain/chain-key.js'
import { signatureLines } from '../../src/chain/note.js'
import { textOfColumns } from '../../src/chain/block-columns.js'
import { signBlock } from '../../src/chain/signed-block.js'
import { eventDigest } from '../../src/event/digest.js'
import type { AuditEvent } from '../../src/event/event.js'
import type { BlockIds } from '../../src/chain/block.js'
import { LOG, MemoryTrail, MemoryWriter, type StoredBlock, type StoredRow, verified } from './memory-trail.js'

// Of what is found, only what was touched is accused: no honest row, and none that is there is called missing.

let trail: MemoryTrail
let victim: MemoryWriter
const BLOCK = 2
const ROWS = 9

beforeEach(() => {
  trail = new MemoryTrail()
  victim = new MemoryWriter(trail)
  victim.write(2)
  victim.write(ROWS)
  victim.write(3)
  spread()
})

/** Signs everything again with ids that have room between them. */
function spread(): void {
  const { id: chain, signer } = newChain(LOG)
  let prev: Uint8Array = Buffer.alloc(32)
  const blocks = victim.sent.map(({ block }) => block)
  let auditId = 1_000_000n
  trail.table = []
  for (const block of blocks) {
    const rows = trail.rowsOf(victim.id, block.number)
    for (const row of rows) {
      row.event = { ...row.event, auditId: (auditId += 10n) }
      row.digest = eventDigest(row.event)
    }
    const leaves = rows.map(({ digest }, i) => rowLeaf(chain, block.number, i, digest ?? Buffer.alloc(0)))
    const ids: BlockIds | undefined =
      rows.length === 0 ? undefined : { first: auditId - 10n * BigInt(rows.length - 1), last: auditId }
    const writer = block.kind === 'genesis' ? signer.verifierKey : undefined
    const signed = signBlock({ ...block, chain, prev, ids, root: merkleRoot(leaves), writer }, [signer])
    prev = signed.hash
    trail.table.push({ ...signed.columns })
  }
  for (const row of trail.rows) row.chain = chain
  Object.assign(victim, { respread: chain, signer })
}

const chain = (): string => trail.table[0]?.chainId ?? ''
const row = (index: number, block = BLOCK): StoredRow => trail.rowAt(chain(), block, index)
const block = (number = BLOCK): StoredBlock => trail.blockAt(chain(), number)
const idOf = (index: number): bigint => 1_000_000n + 10n * BigInt(3 + index)

/** `code`, or `code index` of the row that is accused, by the places before the attack; `code +` for a row that was planted. */
async function accusations(trust: Parameters<typeof verified>[1] = {}): Promise<string[]> {
  const { found } = await verified(trail, trust)
  return found
    .map(({ code, auditId }) => {
      if (auditId === undefined) return code
      const index = Number((auditId - idOf(0)) / 10n)
      return (auditId - idOf(0)) % 10n === 0n ? `${code} ${index}` : `${code} +`
    })
    .toSorted()
}

function planted(auditId: bigint, index: number, isRight = true): StoredRow {
  const { event } = row(0)
  const mine: AuditEvent = { ...event, auditId, notes: 'planted' }
  return {
    event: mine,
    digest: isRight ? eventDigest(mine) : Buffer.alloc(32),
    chain: chain(),
    block: BLOCK,
    index,
  }
}

const change = (target: StoredRow): void => {
  target.event = { ...target.event, outcome: 'denied' }
}

test('nothing was touched: nobody is accused', async () => {
  expect(await accusations()).toEqual([])
})

describe('indexes that were exchanged', () => {
  test.each<[string, readonly number[]]>([
    ['of two rows', [0, 1, 5, 3, 4, 2, 6, 7, 8]],
    ['of two neighbours', [1, 0, 2, 3, 4, 5, 6, 7, 8]],
    ['of the first and the last', [8, 1, 2, 3, 4, 5, 6, 7, 0]],
    ['of three', [0, 4, 2, 3, 7, 5, 6, 1, 8]],
    ['of all', [8, 7, 6, 5, 4, 3, 2, 1, 0]],
    ['by others, one of which is taken', [0, 1, 1, 3, 4, 5, 6, 7, 8]],
    ['by one beyond the block', [0, 1, 99, 3, 4, 5, 6, 7, 8]],
  ])('%s: these rows are out of place, and none is missing', async (_, indexes) => {
    const rows = indexes.map((__, i) => row(i))
    for (const [i, target] of rows.entries()) target.index = indexes[i] ?? 0
    const touched = indexes.flatMap((index, i) => (index === i ? [] : [`row-misplaced ${i}`]))
    expect(await accusations()).toEqual(touched)
    const { rows: coverage } = await verified(trail)
    expect(coverage.proven).toBe(5 + ROWS - touched.length)
  })

  test('and another row changed: that is said as well', async () => {
    change(row(4))
    const [a, b] = [row(1), row(3)]
    ;[a.index, b.index] = [3, 1]
    expect(await accusations()).toEqual(['row-changed 4', 'row-misplaced 1', 'row-misplaced 3'])
  })

  test('and another row deleted: one is missing, and not more', async () => {
    trail.rows = trail.rows.filter((candidate) => candidate !== row(0))
    const [a, b] = [row(2), row(4)]
    ;[a.index, b.index] = [4, 2]
    expect(await accusations()).toEqual(['row-misplaced 2', 'row-misplaced 4', 'row-missing'])
    expect((await verified(trail)).found.find(({ code }) => code === 'row-missing')?.message).toBe(
      '1 of its 9 rows is missing, from index 0 on',
    )
  })
})

describe('a row planted', () => {
  test.each<[string, bigint, number]>([
    ['with an index of the middle, and the second smallest id', 1n, 5],
    ['with the first index, and the second largest id', 75n, 0],
    ['with the index of its neighbour', 31n, 3],
    ['with an index beyond the block', 31n, ROWS],
    ['with an index far beyond the block', 1n, 2 ** 31 - 1],
  ])('%s: it alone is out of place', async (_, offset, index) => {
    for (const isRight of [true, false]) {
      trail.insert(planted(idOf(0) + offset, index, isRight))
      const changed = isRight ? [] : ['row-changed +']
      expect(await accusations()).toEqual([...changed, 'row-misplaced +'])
      expect((await verified(trail)).rows.proven).toBe(5 + ROWS)
      trail.rows.pop()
    }
  })

  test('several times', async () => {
    for (const [offset, index] of [
      [1n, 5],
      [2n, 5],
      [33n, 0],
      [44n, 50],
    ] as const) {
      trail.insert(planted(idOf(0) + offset, index))
    }
    expect(await accusations()).toEqual(Array.from({ length: 4 }, () => 'row-misplaced +'))
  })

  test('beside rows whose indexes were exchanged', async () => {
    const [a, b] = [row(6), row(7)]
    trail.insert(planted(idOf(0) + 1n, 2))
    ;[a.index, b.index] = [7, 6]
    expect(await accusations()).toEqual(['row-misplaced +', 'row-misplaced 6', 'row-misplaced 7'])
  })

  test('beside a row that was changed, and one that was deleted', async () => {
    change(row(3))
    trail.rows = trail.rows.filter((candidate) => candidate !== row(6))
    trail.insert(planted(idOf(0) + 1n, 5))
    const found = await accusations()
    expect(found).toContain('row-changed 3')
    expect(found).toContain('row-misplaced +')
    expect(found.filter((text) => /misplaced \d/.test(text))).toEqual([])
  })

  test('with a wrong digest, in the place of a row that was deleted: it is accused, and not its neighbours', async () => {
    for (const [offset, index] of [
      [1n, 7],
      [75n, 0],
    ] as const) {
      const whole = trail.rows
      const forged = planted(idOf(0) + offset, index, false)
      const gone = row(index)
      trail.rows = [...trail.rows.filter((candidate) => candidate !== gone), forged]
      expect(await accusations()).toEqual(['row-changed +', 'row-misplaced +'])
      trail.rows = whole
    }
  })

  test('far more often than the block has rows: the block is named, and no row', async () => {
    for (let i = 0; i < 1500; i++) trail.insert(planted(idOf(4) + 1n, 4))
    expect(await accusations()).toEqual(['block-root'])
  })
})

describe('one cell of a block tampered with', () => {
  test.each<[string, (columns: StoredBlock) => void, readonly string[]]>([
    ['no smallest id', (b) => Object.assign(b, { minId: null }), ['block-malformed']],
    ['no largest id', (b) => Object.assign(b, { maxId: null }), ['block-malformed']],
    ['no ids', (b) => Object.assign(b, { minId: null, maxId: null }), ['block-malformed']],
    ['ids exchanged', (b) => Object.assign(b, { minId: b.maxId, maxId: b.minId }), ['block-malformed']],
    ['a negative id', (b) => Object.assign(b, { minId: -5n }), ['block-malformed']],
    ['an unknown kind', (b) => Object.assign(b, { kind: 'bogus' }), ['block-malformed']],
    ['another log in the text', (b) => Object.assign(b, { log: 'a b' }), ['block-malformed']],
    ['a negative time', (b) => Object.assign(b, { blockTime: -1n }), ['block-malformed']],
    ['a time of 2^53', (b) => Object.assign(b, { blockTime: 2n ** 53n }), ['block-malformed']],
    ['losses of 2^53', (b) => Object.assign(b, { lostTotal: 2n ** 53n }), ['block-malformed']],
    [
      'a smallest id above rows',
      (b) => Object.assign(b, { minId: idOf(4) }),
      ['block-root', 'block-signature'],
    ],
    [
      'a largest id below rows',
      (b) => Object.assign(b, { maxId: idOf(4) }),
      ['block-root', 'block-signature'],
    ],
    ['more rows', (b) => Object.assign(b, { rowCount: ROWS + 1 }), ['block-root', 'block-signature']],
    ['fewer rows', (b) => Object.assign(b, { rowCount: ROWS - 1 }), ['block-root', 'block-signature']],
    [
      'another root',
      (b) => Object.assign(b, { root: Buffer.alloc(32, 7) }),
      ['block-root', 'block-signature'],
    ],
    ['another time', (b) => Object.assign(b, { blockTime: b.blockTime + 1n }), ['block-signature']],
  ])('%s: no row is accused, and none counts as proven', async (_, tamper, expected) => {
    tamper(block())
    expect(await accusations()).toEqual(expected)
    expect((await verified(trail)).rows.proven).toBe(5)
    // What is wrong with a row itself is said all the same.
    change(row(3))
    expect(await accusations()).toContain('row-changed 3')
  })

  test('the signature lines: what the next block names is proven by that', async () => {
    for (const signatures of ['', 'x\n', block(3).signatures]) {
      block().signatures = signatures
      expect(await accusations()).toEqual(['block-signature'])
      expect((await verified(trail)).rows.proven).toBe(5 + ROWS)
    }
    // Nothing names the last one.
    block(3).signatures = ''
    expect((await verified(trail)).rows.proven).toBe(2)
  })

  test.each([-1n, -5n, -(2n ** 63n), 2n ** 53n, 2n ** 63n - 1n])(
    'its number, squatted: %s is there once',
    async (blockNo) => {
      trail.table.push({ ...block(), blockNo })
      const found = await accusations()
      expect(found.filter((code) => code === 'block-malformed')).toHaveLength(1)
      expect(found.filter((code) => code !== 'block-malformed')).toEqual([])
      // And with a row in it.
      trail.insert({ ...planted(idOf(0) + 1n, 0), block: Number(blockNo) })
      expect((await accusations()).filter((text) => text.startsWith('row-'))).toEqual([])
    },
  )
})

test('a number that is there twice: no row is held against either block', async () => {
  for (const other of [{}, { root: Buffer.alloc(32) }, { minId: 1n, maxId: 2n }, { rowCount: 2 }]) {
    trail.table.push({ ...block(), ...other })
    const found = await accusations()
    expect(found).toContain('block-repeated')
    expect(found.filter((text) => text.startsWith('row-') || text === 'block-root')).toEqual([])
    expect((await verified(trail)).rows.proven).toBe(5)
    trail.table.pop()
  }
})

test('a block that is missing is missing, also where genesis is', async () => {
  trail.dropBlock(chain(), BLOCK)
  trail.dropBlock(chain(), 0)
  const found = await accusations()
  expect(found.filter((text) => text === 'block-missing')).toHaveLength(2)
  expect(found.filter((text) => text.startsWith('row-without-block'))).toHaveLength(ROWS)
})

describe('a row changed', () => {
  test.each<[string, () => void, string]>([
    ['and its block deleted', () => trail.dropBlock(chain(), BLOCK), 'row-without-block 3'],
    ['and named as of an unknown chain', () => void (row(3).chain = '0'.repeat(32)), 'row-without-block 3'],
    ['and named as of a future block', () => void (row(3).block = 99), 'row-without-block 3'],
    ['and without its index', () => void (row(3).index = null), 'row-misplaced 3'],
    ['and with a negative index', () => void (row(3).index = -1), 'row-misplaced 3'],
  ])('%s: both are said', async (_, attack, expected) => {
    change(row(3))
    attack()
    const found = await accusations()
    expect(found).toContain('row-changed 3')
    expect(found).toContain(expected)
  })

  test('in its id, out of the range of its block: both are said', async () => {
    for (const auditId of [5n, 2n ** 62n, -5n]) {
      row(3).event = { ...row(3).event, auditId }
      const { found } = await verified(trail)
      expect(found.filter((finding) => finding.auditId === auditId).map(({ code }) => code)).toEqual([
        'row-changed',
        'row-without-block',
      ])
    }
  })
})

describe('ids that a block has signed and that are not those of its rows', () => {
  /** Signs the block, and what follows, with the chain's own key. */
  function sign(ids: BlockIds): void {
    const { signer } = victim as unknown as { signer: Parameters<typeof signatureLines>[1][number] }
    Object.assign(block(), { minId: ids.first, maxId: ids.last })
    block().signatures = signatureLines(textOfColumns(block()), [signer])
    trail.table = trail.table.filter(({ blockNo }) => blockNo <= BigInt(BLOCK))
    trail.rows = trail.rows.filter((candidate) => (candidate.block ?? 0) <= BLOCK)
  }

  test.each<[string, () => BlockIds]>([
    ['far around them', () => ({ first: 1n, last: 9_000_000_000_000_000_000n })],
    ['from one below', () => ({ first: idOf(0) - 1n, last: idOf(ROWS - 1) })],
    ['up to one above', () => ({ first: idOf(0), last: idOf(ROWS - 1) + 1n })],
  ])('%s', async (_, ids) => {
    sign({ first: idOf(0), last: idOf(ROWS - 1) })
    expect(await accusations()).toEqual([])
    sign(ids())
    expect(await accusations()).toEqual(['block-root'])
    expect((await verified(trail)).found[0]?.message).toContain('ids')
  })

  test('also where a part of the block was retired', async () => {
    sign({ first: 1n, last: idOf(ROWS - 1) + 1n })
    trail.rows = trail.rows.filter(({ event }) => event.auditId >= idOf(4))
    expect(await accusations({ rowsFrom: idOf(4) })).toEqual(['block-root'])
  })
})

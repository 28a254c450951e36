import { expect, test } from 'vitest'
import { rowLeaf } from '../../src/chain/block.js'
import { merkleRoot } from '../../src/chain/merkle.js'
import { eventDigest } from '../../src/event/digest.js'
import { Anchors } from '../../src/verify/anchors.js'
import type { RowBlock } from '../../src/verify/source.js'
import { NO_TRUST } from '../../src/verify/trust.js'
import { verify, type VerifyReport } from '../../src/verify/verify.js'
import { MemoryTrail, MemoryWriter } from '../verify/memory-trail.js'

/** A trail that, asked for its blocks the second time, gives other ones. */
async function verifiedWith(
  trail: MemoryTrail,
  lie: (blocks: readonly RowBlock[]) => readonly RowBlock[],
): Promise<VerifyReport> {
  const source = {
    alterations: async () => [],
    blocks: trail.blocks.bind(trail),
    rows: trail.evidence.bind(trail),
    async *rowBlocks(...args: Parameters<MemoryTrail['rowBlocks']>) {
      const all: RowBlock[] = []
      for await (const batch of trail.rowBlocks(...args)) all.push(...batch)
      yield lie(all)
    },
  }
  return verify(source, {
    trust: NO_TRUST,
    selection: { chain: undefined, ids: undefined },
    anchors: new Anchors(),
    onFinding: () => {},
  })
}

function honest(): { trail: MemoryTrail; chain: string } {
  const trail = new MemoryTrail()
  const writer = new MemoryWriter(trail)
  for (const size of [3, 1, 5]) writer.write(size)
  writer.end('close')
  return { trail, chain: writer.id }
}

/** Changes a row, and says what the root of its block would be now. */
function forged(trail: MemoryTrail, chain: string, block: number, index: number): Buffer {
  const row = trail.rowAt(chain, block, index)
  row.event = { ...row.event, credential: 'innocent' }
  row.digest = eventDigest(row.event)
  const leaves = trail
    .rowsOf(chain, block)
    .map(({ digest }, i) => rowLeaf(chain, block, i, digest ?? Buffer.alloc(0)))
  return Buffer.from(merkleRoot(leaves))
}

test('two honest reads are the same', async () => {
  const { trail } = honest()
  const report = await verifiedWith(trail, (blocks) => blocks)
  expect([...report.findings]).toEqual([])
  expect(report.rows.proven).toBe(9)
})

test('a changed row with a root that fits it', async () => {
  const { trail, chain } = honest()
  const root = forged(trail, chain, 3, 2)
  const report = await verifiedWith(trail, (blocks) =>
    blocks.map((block) => (block.block === 3 ? { ...block, root } : block)),
  )
  expect([...report.findings]).toEqual([['store-altered', 1]])
  expect(report.rows.proven).toBe(0)
})

const LIES: Record<
  string,
  (trail: MemoryTrail, chain: string) => (blocks: readonly RowBlock[]) => readonly RowBlock[]
> = {
  'a block is left out, and its rows say that they have none': (trail, chain) => {
    for (const row of trail.rowsOf(chain, 1))
      Object.assign(row, { chain: null, block: null, index: null, digest: null })
    return (blocks) => blocks.filter(({ block }) => block !== 1)
  },
  'the last row is deleted, and the block says that it has one less': (trail, chain) => {
    trail.rows = trail.rows.filter((row) => row !== trail.rowAt(chain, 3, 4))
    const left = trail.rowsOf(chain, 3)
    const root = merkleRoot(left.map(({ digest }, i) => rowLeaf(chain, 3, i, digest ?? Buffer.alloc(0))))
    const maxId = left.at(-1)?.event.auditId ?? 0n
    return (blocks) =>
      blocks.map((block) => (block.block === 3 ? { ...block, root, rowCount: 4, maxId } : block))
  },
  'a block is there that the chain does not have': (trail, chain) => {
    const [row] = trail.rowsOf(chain, 1)
    if (row === undefined) throw new Error('no such row')
    const event = { ...row.event, auditId: row.event.auditId + 1_000_000n }
    const digest = eventDigest(event)
    trail.insert({ event, digest, chain, block: 40, index: 0 })
    const root = merkleRoot([rowLeaf(chain, 40, 0, digest)])
    return (blocks) => [
      ...blocks,
      { chain, block: 40, minId: event.auditId, maxId: event.auditId, rowCount: 1, root: Buffer.from(root) },
    ]
  },
  'a chain is there that was not walked': (trail) => {
    const other = honest()
    trail.insert(...other.trail.rows)
    const its: RowBlock[] = other.trail.table.flatMap(({ chainId, blockNo, minId, maxId, rowCount, root }) =>
      minId === null || maxId === null
        ? []
        : [{ chain: chainId, block: Number(blockNo), minId, maxId, rowCount, root }],
    )
    return (blocks) => [...blocks, ...its].toSorted((a, b) => (a.minId < b.minId ? -1 : 1))
  },
  'a block comes twice': () => (blocks) => blocks.flatMap((block) => [block, block]),
  'two blocks come twice, and so would cancel each other': () => (blocks) =>
    blocks.flatMap((block, i) => (i < 2 ? [block, block, block] : [block])),
}

for (const [name, lie] of Object.entries(LIES)) {
  test(name, async () => {
    const { trail, chain } = honest()
    const report = await verifiedWith(trail, lie(trail, chain))
    expect(report.findings.get('store-altered')).toBe(1)
    expect(report.rows.proven).toBe(0)
  })
}

import { expect, test } from 'vitest'
import { merkleRoot } from '../../src/chain/merkle.js'
import { rowLeaf } from '../../src/chain/block.js'
import { FindingLog } from '../../src/verify/finding.js'
import { MOST_OPEN_BLOCKS, RowWalk } from '../../src/verify/row-walk.js'
import type { RowBlock, TrailSource } from '../../src/verify/source.js'
import { NO_TRUST } from '../../src/verify/trust.js'
import { verify } from '../../src/verify/verify.js'
import { Anchors } from '../../src/verify/anchors.js'

const CHAIN = '8f9b4c0000000000000000000000aa01'
const digest = Buffer.alloc(32, 7)

const aBlock = (block: number, minId: bigint, maxId: bigint, rows: number): RowBlock => ({
  chain: CHAIN,
  block,
  minId,
  maxId,
  rowCount: rows,
  root: merkleRoot(Array.from({ length: rows }, (_, i) => rowLeaf(CHAIN, block, i, digest))),
})

async function* just<T>(...batches: readonly (readonly T[])[]): AsyncGenerator<readonly T[]> {
  yield* batches
}

test('more blocks that overlap than can be kept are told, and are not taken for verified', async () => {
  const blocks = Array.from({ length: MOST_OPEN_BLOCKS + 1 }, (_, i) => aBlock(i + 1, 1n, 9n, 1))
  const row = {
    auditId: 5n,
    originalAuditId: null,
    computed: digest,
    stored: digest,
    chain: CHAIN,
    block: 1,
    index: 0,
  }
  const source: TrailSource = { blocks: () => just(), rowBlocks: () => just(blocks), rows: () => just([row]) }
  const request = { trust: NO_TRUST, selection: { chain: undefined, ids: undefined }, anchors: new Anchors() }
  await expect(verify(source, { ...request, onFinding: () => {} })).rejects.toMatchObject({
    code: 'AUDIT_EVIDENCE_MALFORMED',
    message: expect.stringContaining('overlap'),
  })
})

test('a block is let go of when its last row has come, or its ids have passed', () => {
  const findings = new FindingLog(() => {})
  const walk = new RowWalk(NO_TRUST, findings, undefined)
  const add = (auditId: bigint, block: number, index: number): boolean =>
    walk.add({ auditId, originalAuditId: null, computed: digest, stored: digest, chain: CHAIN, block, index })
  // Each is complete before the next begins: however many there are, one is open.
  for (let block = 1; block <= MOST_OPEN_BLOCKS + 10; block++) {
    const id = BigInt(block) * 10n
    expect(walk.admit(aBlock(block, id, id + 1n, 2), id)).toBe(true)
    add(id, block, 0)
    add(id + 1n, block, 1)
  }
  expect(findings.counts.size).toBe(0)
  // Of each a row is missing: they are passed, and swept.
  for (let block = 1; block <= MOST_OPEN_BLOCKS + 10; block++) {
    const id = 10_000_000n + BigInt(block) * 10n
    expect(walk.admit(aBlock(100_000 + block, id, id + 1n, 2), id)).toBe(true)
    add(id, 100_000 + block, 0)
  }
  walk.end()
  expect([...findings.counts]).toEqual([['row-missing', MOST_OPEN_BLOCKS + 10]])
  expect(walk.coverage.proven).toBe(2 * (MOST_OPEN_BLOCKS + 10))
})

test('however many blocks have lost all their rows, each is found', async () => {
  const blocks = Array.from({ length: MOST_OPEN_BLOCKS + 1 }, (_, i) => {
    const id = BigInt(i + 1) * 10n
    return aBlock(i + 1, id, id + 1n, 2)
  })
  const last = {
    auditId: 10_000_000n,
    originalAuditId: null,
    computed: digest,
    stored: null,
    chain: null,
    block: null,
    index: null,
  }
  for (const rows of [[], [last]]) {
    const source: TrailSource = {
      blocks: () => just(),
      rowBlocks: () => just(blocks),
      rows: () => just(rows),
    }
    const selection = { chain: undefined, ids: undefined }
    const request = { selection, anchors: new Anchors(), onFinding: () => {} }
    const lost = await verify(source, { ...request, trust: NO_TRUST })
    expect([...lost.findings]).toEqual([['row-missing', blocks.length]])
    const retired = await verify(source, { ...request, trust: { ...NO_TRUST, rowsFrom: 9_000_000n } })
    expect([...retired.findings]).toEqual([])
    expect(retired.rows).toMatchObject({ retired: 2 * blocks.length, unsigned: rows.length })
  }
})

import { expect, test } from 'vitest'
import { merkleRoot } from '../../src/chain/merkle.js'
import { rowLeaf } from '../../src/chain/block.js'
import { INT8_MAX } from '../../src/event/int8.js'
import { BlockDoubts } from '../../src/verify/block-doubts.js'
import { type FindingCode, FindingLog } from '../../src/verify/finding.js'
import { MOST_OPEN_BLOCKS } from '../../src/verify/open-blocks.js'
import { RowWalk } from '../../src/verify/row-walk.js'
import type { RowBlock } from '../../src/verify/source.js'
import { NO_TRUST } from '../../src/verify/trust.js'

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

test('more blocks that overlap than can be kept are told, and are not taken for verified', () => {
  const findings = new FindingLog(() => {})
  const walk = new RowWalk(NO_TRUST, findings, undefined)
  for (let block = 1; block <= MOST_OPEN_BLOCKS + 1; block++) walk.admit(aBlock(block, 1n, 9n, 1), 1n)
  // The narrowest is kept longest: it is the last that garbage looks like.
  walk.admit(aBlock(0, 5n, 5n, 1), 5n)
  const row = {
    auditId: 5n,
    originalAuditId: null,
    computed: digest,
    stored: digest,
    chain: CHAIN,
    block: 0,
    index: 0,
  }
  walk.add(row)
  walk.end()
  const [unchecked = 0, missing = 0] = ['block-unchecked', 'row-missing'].map((code) =>
    findings.counts.get(code as FindingCode),
  )
  expect(unchecked + missing).toBe(MOST_OPEN_BLOCKS + 1)
  expect(unchecked).toBeGreaterThan(0)
  expect(walk.coverage.proven).toBe(1)
})

test('rows that name a block which was given up are not accused of it', () => {
  const findings = new FindingLog(() => {})
  const walk = new RowWalk(NO_TRUST, findings, undefined)
  for (let block = 1; block <= MOST_OPEN_BLOCKS + 1; block++) walk.admit(aBlock(block, 1n, 9n, 1), 1n)
  for (let block = 1; block <= 9; block++) {
    walk.add({
      auditId: BigInt(block),
      originalAuditId: null,
      computed: digest,
      stored: digest,
      chain: CHAIN,
      block,
      index: 0,
    })
  }
  expect([...findings.counts.keys()]).toEqual(['block-unchecked'])
})

test('a block is let go of when its last row has come, or its ids have passed', () => {
  const findings = new FindingLog(() => {})
  const walk = new RowWalk(NO_TRUST, findings, undefined)
  const add = (auditId: bigint, block: number, index: number): void =>
    walk.add({ auditId, originalAuditId: null, computed: digest, stored: digest, chain: CHAIN, block, index })
  // Each is complete before the next begins: however many there are, one is open.
  for (let block = 1; block <= MOST_OPEN_BLOCKS + 10; block++) {
    const id = BigInt(block) * 10n
    walk.admit(aBlock(block, id, id + 1n, 2), id)
    add(id, block, 0)
    add(id + 1n, block, 1)
  }
  expect(findings.counts.size).toBe(0)
  // Of each a row is missing: they are passed, and swept.
  for (let block = 1; block <= MOST_OPEN_BLOCKS + 10; block++) {
    const id = 10_000_000n + BigInt(block) * 10n
    walk.admit(aBlock(100_000 + block, id, id + 1n, 2), id)
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
    for (const rowsFrom of [NO_TRUST.rowsFrom, 9_000_000n]) {
      const findings = new FindingLog(() => {})
      const walk = new RowWalk({ ...NO_TRUST, rowsFrom }, findings, undefined)
      // They come when the rows are behind them: no row of theirs is to come any more.
      for (const block of blocks) walk.admit(block, rows[0]?.auditId ?? INT8_MAX)
      for (const row of rows) walk.add(row)
      walk.end()
      const isRetired = rowsFrom > 0n
      expect([...findings.counts]).toEqual(isRetired ? [] : [['row-missing', blocks.length]])
      const retired = isRetired ? 2 * blocks.length : 0
      expect(walk.coverage).toMatchObject({ retired, unsigned: rows.length })
    }
  }
})

test('blocks of the operator are kept when those of others are given up', () => {
  const findings = new FindingLog(() => {})
  const other = 'f'.repeat(32)
  const doubts = (last: number): BlockDoubts => {
    const none = new BlockDoubts()
    none.end(last)
    return none
  }
  const chains = new Map([
    [CHAIN, { enrolled: true, doubts: doubts(1) }],
    [other, { enrolled: false, doubts: doubts(MOST_OPEN_BLOCKS + 1) }],
  ])
  const walk = new RowWalk(NO_TRUST, findings, undefined, chains)
  walk.admit(aBlock(1, 0n, 1_000_000n, 1), 0n)
  // Narrower, and so they would be kept before it.
  for (let block = 1; block <= MOST_OPEN_BLOCKS; block++)
    walk.admit({ ...aBlock(block, 1n, 9n, 1), chain: other }, 1n)
  walk.add({
    auditId: 0n,
    originalAuditId: null,
    computed: digest,
    stored: digest,
    chain: CHAIN,
    block: 1,
    index: 0,
  })
  walk.end()
  expect(findings.counts.get('block-unchecked')).toBeGreaterThan(0)
  // Its row has the wrong id: it was looked at.
  expect(findings.counts.get('block-root')).toBe(1)
})

import { describe, expect, test } from 'vitest'
import type { BlockColumns } from '../../src/chain/block-columns.js'
import { Bench, someRows } from './chain-bench.js'

// What a chain makes of the blocks that the store has.

describe('a number that is taken', () => {
  test('by the very block that was sent: it is stored', () => {
    const bench = new Bench()
    bench.write(someRows(1))
    const sent = bench.doubt(bench.chain.prepareRows(someRows(1)))
    bench.chain.sending()
    expect(bench.chain.holderOf(sent.columns)).toBe('ours')
    bench.chain.acknowledged()
    expect(bench.chain.head).toBe(sent)
  })

  test('by another one, be it by its signature only: somebody else writes this chain', () => {
    const bench = new Bench()
    bench.write(someRows(1))
    const { columns } = bench.chain.prepareRows(someRows(1))
    bench.chain.sending()
    for (const foreign of [
      { ...columns, lostTotal: 1n },
      { ...columns, body: 'x' },
      { ...columns, signatures: `${columns.signatures}x` },
      { ...columns, root: Buffer.alloc(32) },
    ]) {
      expect(bench.chain.holderOf(foreign)).toBe('foreign')
    }
    expect(bench.chain.holderOf(undefined)).toBe('absent')
  })
})

describe('after a reconnect', () => {
  const written = (blocks: number): Bench => {
    const bench = new Bench()
    while (bench.stored.length < blocks) bench.write(someRows(2))
    return bench
  }

  test('the store has what it said it had', () => {
    expect(new Bench().chain.checkHead([])).toEqual({ status: 'intact' })
    for (const bench of [written(2), written(5)]) {
      expect(bench.chain.checkHead(bench.newest())).toEqual({ status: 'intact' })
    }
  })

  test('and the block in doubt, or not', () => {
    const bench = written(3)
    const sent = bench.doubt(bench.chain.prepareRows(someRows(1)))
    expect(bench.chain.checkHead(bench.newest())).toEqual({ status: 'intact' })
    bench.stored.push(sent)
    expect(bench.chain.checkHead(bench.newest())).toEqual({ status: 'intact' })
    const first = new Bench()
    const genesis = first.doubt(first.chain.prepareRows(someRows(1)))
    expect(first.chain.checkHead([])).toEqual({ status: 'intact' })
    expect(first.chain.checkHead([genesis.columns])).toEqual({ status: 'intact' })
  })

  test('acknowledged blocks are gone: it says which, with how many rows, and the chain goes on from what is left', () => {
    const bench = written(6)
    const head = bench.stored.splice(3)
    const check = bench.chain.checkHead(bench.newest())
    expect(check).toEqual({ status: 'lost', first: 3, last: 5, rows: 6 })
    expect(head).toHaveLength(3)
    const next = new Bench({}, bench.chain.successor(2))
    next.write(someRows(1))
    expect(next.stored[0]?.block.opening?.continues).toEqual({ chain: bench.chain.id, block: 2 })
  })

  test('everything is gone', () => {
    const bench = written(3)
    expect(bench.chain.checkHead([])).toEqual({ status: 'lost', first: 0, last: 2, rows: 4 })
    const next = new Bench({}, bench.chain.successor(-1))
    next.write(someRows(1))
    expect(next.stored[0]?.block.opening?.continues).toBeUndefined()
  })

  test('another block is in the place of ours, or follows it', () => {
    const bench = written(4)
    const [top, below] = bench.newest() as [BlockColumns, BlockColumns]
    expect(bench.chain.checkHead([{ ...top, lostTotal: 9n }, below])).toEqual({ status: 'foreign' })
    expect(bench.chain.checkHead([{ ...top, blockNo: 4n }, top])).toEqual({ status: 'foreign' })
    const sent = bench.doubt(bench.chain.prepareRows(someRows(1)))
    expect(bench.chain.checkHead([sent.columns, { ...top, lostTotal: 9n }])).toEqual({ status: 'foreign' })
    expect(bench.chain.checkHead([{ ...sent.columns, rowCount: 9 }, top])).toEqual({ status: 'foreign' })
    expect(new Bench().chain.checkHead([top])).toEqual({ status: 'foreign' })
  })
})

test('a chain that had no block yet hands on what it continues itself', () => {
  const bench = new Bench()
  bench.write(someRows(1))
  const second = bench.chain.successor()
  const third = new Bench({}, second.successor())
  third.write(someRows(1))
  expect(third.stored[0]?.block.opening?.continues).toEqual({ chain: bench.chain.id, block: 1 })
})

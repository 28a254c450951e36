import { openNote, parseBlock } from 'otel-audit/chain'
import { describe, expect, test } from 'vitest'
import { BLOCKS_PER_KEY, NO_PREVIOUS, rowLeaf } from '../../src/chain/block.js'
import { merkleRoot } from '../../src/chain/merkle.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import type { SignedBlock } from '../../src/chain/signed-block.js'
import { WriterChain } from '../../src/chain/writer-chain.js'
import { Bench, OPTIONS, someRows, TRAIL } from './chain-bench.js'

describe('a chain', () => {
  test('begins with a genesis block, in a transaction of its own', () => {
    const bench = new Bench()
    const rows = someRows(3)
    const genesis = bench.chain.prepareRows(rows)
    expect(genesis.block).toMatchObject({
      kind: 'genesis',
      number: 0,
      rows: 0,
      rowsTotal: 0,
      ids: undefined,
      chain: bench.chain.id,
      prev: NO_PREVIOUS,
      opening: {
        service: 'wallet',
        instance: 'i-1',
        version: '0.1.0',
        trail: TRAIL,
        system: '7412345678901234567',
        continues: undefined,
      },
    })
    bench.store(genesis)
    const data = bench.store(bench.chain.prepareRows(rows))
    expect(data.block).toMatchObject({ kind: 'data', number: 1, rows: 3, rowsTotal: 3, prev: genesis.hash })
    expect(data.block.ids).toEqual({ first: rows[0]?.event.auditId, last: rows[2]?.event.auditId })
    const leaves = rows.map(({ digest }, index) => rowLeaf(bench.chain.id, 1, index, digest))
    expect(data.block.root).toEqual(merkleRoot(leaves))
  })

  test('counts, and each block names the one before it', () => {
    let lost = 0
    const bench = new Bench({ lost: () => lost })
    bench.write(someRows(3))
    lost = 5
    bench.write(someRows(1))
    bench.end('idle')
    lost = 4 // Whoever counts may not count down.
    bench.write(someRows(2))
    bench.end('close')
    expect(
      bench.stored.map(({ block }) => [block.number, block.kind, block.rows, block.rowsTotal, block.lost]),
    ).toEqual([
      [0, 'genesis', 0, 0, 0],
      [1, 'data', 3, 3, 0],
      [2, 'data', 1, 4, 5],
      [3, 'idle', 0, 4, 5],
      [4, 'data', 2, 6, 5],
      [5, 'close', 0, 6, 5],
    ])
    for (const [i, { block, text, note, columns }] of bench.stored.entries()) {
      expect(block.prev).toEqual(i === 0 ? NO_PREVIOUS : bench.stored[i - 1]?.hash)
      expect(parseBlock(text).number).toBe(i)
      expect(openNote(note, [bench.stored[0]?.block.writer ?? '']).text).toBe(text)
      expect(columns.blockNo).toBe(BigInt(i))
    }
  })

  test('never goes back in time, whatever the clock does', () => {
    const times = [5, 3, 9]
    const bench = new Bench({ now: () => times.shift() ?? 0 })
    bench.write(someRows(1))
    bench.write(someRows(1))
    expect(bench.stored.map(({ block }) => block.time)).toEqual([5, 5, 9])
  })

  test('ends unclean until it says that it is idle or closed', () => {
    const bench = new Bench()
    expect(bench.chain.endsUnclean).toBe(false)
    expect(bench.chain.prepareEnd('idle')).toBeUndefined()
    expect(bench.chain.prepareEnd('close')).toBeUndefined()
    bench.write(someRows(1))
    expect(bench.chain.endsUnclean).toBe(true)
    bench.end('idle')
    expect(bench.chain.endsUnclean).toBe(false)
    bench.end('close')
    expect(bench.chain.isOver).toBe(true)
    expect(bench.chain.prepareEnd('close')).toBeUndefined()
    expect(() => bench.chain.prepareRows(someRows(1))).toThrow('the chain is over')
  })

  test('with an enrolment key says whose it is, in genesis only', () => {
    const enrolment = generateNoteKey('otel-audit/wallet/enrolment')
    const bench = new Bench({ enrolment: enrolment.signer })
    bench.write(someRows(1))
    const [genesis, data] = bench.stored
    const keys = [enrolment.verifierKey, genesis?.block.writer ?? '']
    expect(openNote(genesis?.note ?? '', keys).verified).toEqual([
      `otel-audit/wallet/${bench.chain.id}`,
      enrolment.signer.name,
    ])
    expect(openNote(data?.note ?? '', keys).verified).toEqual([`otel-audit/wallet/${bench.chain.id}`])
  })

  test('changes its key every 1,000 blocks: the old one signs the new one, and nothing after it', () => {
    const bench = new Bench()
    const rows = someRows(1)
    for (let i = 0; i < 2 * BLOCKS_PER_KEY; i++) bench.write(rows)
    const rotations = bench.stored.filter(({ block }) => block.kind === 'rotate')
    expect(rotations.map(({ block }) => block.number)).toEqual([BLOCKS_PER_KEY, 2 * BLOCKS_PER_KEY])
    let key = bench.stored[0]?.block.writer ?? ''
    for (const { block, note } of bench.stored) {
      const name = `otel-audit/wallet/${bench.chain.id}`
      if (block.kind === 'rotate') {
        // Both have signed: with either key alone it opens, and each is unknown to the other.
        expect(openNote(note, [key]).unverified).toEqual([name])
        key = block.writer ?? ''
        expect(openNote(note, [key]).unverified).toEqual([name])
      } else {
        expect(openNote(note, [key])).toMatchObject({ verified: [name], unverified: [] })
      }
    }
  })

  test('that is to end when a rotation is due rotates first', () => {
    const bench = new Bench()
    for (let i = 0; i < BLOCKS_PER_KEY - 1; i++) bench.write(someRows(1))
    bench.end('close')
    expect(bench.stored.slice(-2).map(({ block }) => block.kind)).toEqual(['rotate', 'close'])
  })

  test('does not know two chains of one id', () => {
    expect(new WriterChain(OPTIONS).id).not.toBe(new WriterChain(OPTIONS).id)
  })
})

describe('one block is in flight at a time', () => {
  test('nothing else is prepared or sent meanwhile', () => {
    const { chain } = new Bench()
    expect(() => chain.sending()).toThrow('nothing has been prepared')
    chain.prepareRows(someRows(1))
    chain.sending()
    expect(() => chain.sending()).toThrow('in flight')
    expect(() => chain.prepareRows(someRows(1))).toThrow()
  })

  test('nothing is answered that was not sent', () => {
    const { chain } = new Bench()
    chain.prepareRows(someRows(1))
    for (const answer of ['acknowledged', 'refused', 'unknown'] as const) {
      expect(() => chain[answer]()).toThrow('nothing is in flight')
    }
  })
})

describe('a block of unknown fate', () => {
  test('is sent again as it was, before anything else', () => {
    let now = 1
    const bench = new Bench({ now: () => now })
    bench.write(someRows(1))
    const rows = someRows(2)
    const sent = bench.doubt(bench.chain.prepareRows(rows))
    now = 99
    expect(bench.chain.inDoubt).toBe(sent)
    expect(bench.chain.prepareRows(rows)).toBe(sent)
    expect(() => bench.chain.prepareRows(someRows(2))).toThrow('it must be sent again first')
    expect(() => bench.chain.prepareRows(rows.slice(1))).toThrow('it must be sent again first')
    expect(bench.chain.prepareEnd('idle')).toBeUndefined()
    expect(bench.chain.prepareEnd('close')).toBeUndefined()
    bench.store(sent)
    expect(bench.chain.inDoubt).toBeUndefined()
    expect(bench.write(someRows(1)).block).toMatchObject({ number: 3, time: 99, rowsTotal: 4 })
  })

  test.each(['genesis', 'rotate', 'idle'] as const)('goes first, also when it is %s', (kind) => {
    const bench = new Bench()
    if (kind !== 'genesis') bench.write(someRows(1))
    const blocks = kind === 'rotate' ? BLOCKS_PER_KEY : 0
    while (bench.stored.length < blocks) bench.write(someRows(1))
    const rows = someRows(1)
    const prepared = kind === 'idle' ? bench.chain.prepareEnd('idle') : bench.chain.prepareRows(rows)
    const sent = bench.doubt(prepared as SignedBlock)
    expect(sent.block.kind).toBe(kind)
    expect(bench.chain.prepareRows(rows)).toBe(sent)
    bench.store(sent)
    const data = bench.write(rows)
    expect(data.block).toMatchObject({ kind: 'data', number: sent.block.number + 1 })
    expect(
      openNote(data.note, [sent.block.writer ?? bench.stored[0]?.block.writer ?? '']).unverified,
    ).toEqual([])
  })
})

describe('a refused block', () => {
  test('leaves its number to another, when every send of it was refused', () => {
    const bench = new Bench()
    bench.write(someRows(1))
    const rows = someRows(3)
    bench.chain.prepareRows(rows)
    expect(bench.refuse()).toBe(true)
    expect(bench.write(rows.slice(1)).block).toMatchObject({ number: 2, rows: 2, rowsTotal: 3 })
  })

  test('does not, when one send of it is of unknown fate: not even when all later ones are refused', () => {
    const bench = new Bench()
    bench.write(someRows(1))
    const rows = someRows(3)
    const sent = bench.doubt(bench.chain.prepareRows(rows))
    expect(bench.refuse()).toBe(false)
    expect(bench.refuse()).toBe(false)
    expect(bench.chain.inDoubt).toBe(sent)
    expect(() => bench.chain.prepareRows(rows.slice(1))).toThrow('it must be sent again first')
  })

  test('may be left with its chain: the rows go to another one, which says so', () => {
    const bench = new Bench()
    bench.write(someRows(1))
    const rows = someRows(3)
    bench.doubt(bench.chain.prepareRows(rows))
    const next = new Bench({}, bench.chain.successor())
    expect(bench.chain.isOver).toBe(true)
    expect(() => bench.chain.sending()).toThrow('the chain is over')
    expect(next.write(rows.slice(1)).block).toMatchObject({ number: 1, rows: 2, rowsTotal: 2 })
    expect(next.stored[0]?.block.opening?.continues).toEqual({ chain: bench.chain.id, block: 1 })
    expect(next.chain.id).not.toBe(bench.chain.id)
  })

  test('has its chain left once: two that continue it would be a fork', () => {
    const { chain } = new Bench()
    chain.successor()
    expect(() => chain.successor()).toThrow('a chain went from left to left')
  })

  test('that is a rotation keeps the old key', () => {
    const bench = new Bench()
    while (bench.stored.length < BLOCKS_PER_KEY) bench.write(someRows(1))
    const refused = bench.chain.prepareRows(someRows(1))
    expect(refused.block.kind).toBe('rotate')
    expect(bench.refuse()).toBe(true)
    const again = bench.store(bench.chain.prepareRows(someRows(1)))
    expect(openNote(again.note, [bench.stored[0]?.block.writer ?? '']).verified).toHaveLength(1)
    expect(again.block.writer).not.toBe(refused.block.writer)
  })
})

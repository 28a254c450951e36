import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blockHash } from '../../src/chain/block.js'
import { type BlockColumns, textOfColumns } from '../../src/chain/block-columns.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import {
  type ChainStart,
  isStartsNote,
  parseStarts,
  signStarts,
  startsSum,
} from '../../src/verify/chain-start.js'
import { Anchors } from '../../src/verify/anchors.js'
import { type ChainSummary, ChainWalk } from '../../src/verify/chain-walk.js'
import { type Finding, FindingLog } from '../../src/verify/finding.js'
import { SignatureChecks } from '../../src/verify/signature-checks.js'
import { NO_TRUST, type PinnedBlock } from '../../src/verify/trust.js'
import { eventOf, VectorChain } from './vectors/builder.js'

// A chain whose first blocks were retired is walked from where the retention key says that it begins.

const chain = new VectorChain('otel-audit/starts', 'starts', 1_795_651_200_000_000)
let id = 0n
const access = () => eventOf({ auditId: (id += 10n), occurredAt: 0 })
chain.data(access()).data(access(), access()).rotate().data(access()).end('idle').data(access(), access())
chain.rotate().data(access()).data(access()).end('idle').data(access()).rotate().data(access()).end('close')
const TABLE: readonly BlockColumns[] = chain.blocks.map(({ columns }) => columns)
const LAST = TABLE.length - 1

const hashOf = (columns: BlockColumns): Buffer => blockHash(textOfColumns(columns))
const isKey = ({ kind }: BlockColumns): boolean => kind === 'genesis' || kind === 'rotate'

function startAt(block: number): ChainStart {
  const gone = TABLE.slice(0, block + 1)
  const [last, key] = [gone.at(-1), gone.findLast(isKey)]
  if (last === undefined || key === undefined) throw new Error('no such block')
  return {
    chain: chain.id,
    block,
    hash: hashOf(last),
    keyBlock: Number(key.blockNo),
    keyHash: hashOf(key),
    rows: Number(last.rowTotal),
    lost: Number(last.lostTotal),
    time: Number(last.blockTime),
    lastId: gone.findLast(({ maxId }) => maxId !== null)?.maxId ?? undefined,
  }
}

const left = (start: number): BlockColumns[] =>
  TABLE.filter((columns, number) => number > start || isKey(columns))

function walk(
  table: readonly BlockColumns[],
  start: ChainStart | undefined,
  heads: readonly PinnedBlock[] = [],
): { readonly summary: ChainSummary; readonly found: readonly Finding[] } {
  const found: Finding[] = []
  const findings = new FindingLog((finding) => found.push(finding))
  const checks = new SignatureChecks(false, findings)
  const walked = new ChainWalk(chain.id, NO_TRUST, findings, checks, { heads, start })
  for (const columns of table) walked.add(columns)
  const summary = walked.end()
  checks.end()
  return { summary, found }
}

const codes = (...args: Parameters<typeof walk>): readonly string[] =>
  walk(...args).found.map(({ code }) => code)

const starts = fc.integer({ min: 1, max: LAST - 1 })

describe('a chain that begins after retired blocks', () => {
  test('is proven to its head, whichever of them are there still', () => {
    fc.assert(
      fc.property(starts, fc.array(fc.nat(LAST)), (start, present) => {
        const table = TABLE.filter(
          (columns, number) => number > start || isKey(columns) || present.includes(number),
        )
        const { summary, found } = walk(table, startAt(start))
        expect(found).toEqual([])
        expect(summary.head).toEqual({ block: LAST, hash: hashOf(TABLE[LAST] as BlockColumns) })
        expect([summary.lastBlock, summary.end]).toEqual([LAST, 'closed'])
        for (let number = start + 1; number <= LAST; number++)
          expect([summary.doubts.wasRead(number), summary.doubts.isProven(number)]).toEqual([true, true])
      }),
    )
  })

  test('is not whole without a block that has to be there', () => {
    fc.assert(
      fc.property(starts, fc.nat(LAST), (start, gone) => {
        const table = left(start)
        const { kind } = table[gone % table.length] as BlockColumns
        const without = table.toSpliced(gone % table.length, 1)
        // Behind the last one there is nothing that could tell.
        if (gone % table.length === table.length - 1 && start < LAST - 1) return
        expect(codes(without, startAt(start)), kind).not.toEqual([])
      }),
    )
  })

  test.each<[string, Partial<ChainStart>, string]>([
    ['another hash', { hash: Buffer.alloc(32, 1) }, 'block-prev'],
    ['other rows', { rows: 99 }, 'block-counters'],
    ['a later time', { time: Number.MAX_SAFE_INTEGER }, 'block-counters'],
    ['another block', { block: 8 }, 'block-prev'],
    ['another key', { keyHash: Buffer.alloc(32, 1) }, 'block-missing'],
    ['the key of another block', { keyBlock: 3 }, 'block-missing'],
  ])('does not follow from %s', (_, wrong, code) => {
    const table = TABLE.filter((columns, number) => number > 8 || isKey(columns))
    expect(codes(table, { ...startAt(wrong.block === 8 ? 9 : 8), ...wrong })).toContain(code)
  })

  test('whose current key is not the one that was signed proves nothing', () => {
    const { summary } = walk(left(8), { ...startAt(8), keyHash: Buffer.alloc(32, 1) })
    for (let number = 9; number <= LAST; number++) expect(summary.doubts.isProven(number)).toBe(false)
  })

  test('is held against pinned blocks that are there, and not against those that are gone', () => {
    const pin = (block: number, hash = hashOf(TABLE[block] as BlockColumns)): PinnedBlock => ({
      chain: chain.id,
      block,
      hash,
    })
    expect(codes(left(8), startAt(8), [pin(2), pin(3), pin(10)])).toEqual([])
    expect(codes(left(8), startAt(8), [pin(3, Buffer.alloc(32))])).toEqual(['head-mismatch'])
    expect(codes(left(8), startAt(8), [pin(LAST + 1, Buffer.alloc(32))])).toEqual(['head-missing'])
  })

  test('has anchors of retired blocks, which count as retired, and miss those of others', () => {
    const anchors = new Anchors()
    const anchor = { log: undefined, chain: chain.id, hash: undefined }
    for (const block of [2, 9, LAST + 1]) anchors.add({ ...anchor, block })
    const { summary } = walk(left(8), startAt(8))
    const known = new Map([[chain.id, startAt(8)]])
    const found: Finding[] = []
    const findings = new FindingLog((finding) => found.push(finding))
    anchors.check({ chain: chain.id, number: 9, rows: 1 }, Buffer.alloc(32), findings)
    anchors.endBlocks(new Map([[chain.id, summary]]), undefined, undefined, findings, known)
    expect(anchors.coverage).toEqual({ given: 3, held: 1, retired: 1, foreign: 0 })
    expect(found.map(({ code, block }) => [code, block])).toEqual([['anchor-missing', LAST + 1]])
  })
})

describe('what the retention key signs about starts', () => {
  const said = {
    log: 'otel-audit/wallet',
    trail: '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6',
    chains: 2,
    sum: startsSum([startAt(3), { ...startAt(5), chain: 'f'.repeat(32) }]),
    manifest: 'a'.repeat(64),
    time: 1_795_651_200_000_000,
  }
  const { signer } = generateNoteKey('otel-audit/wallet/retention')

  test('is read as it was signed', () => {
    const note = signStarts(said, signer)
    expect([isStartsNote(note), parseStarts(note)]).toEqual([true, said])
  })

  test.each([
    ['without a trail', { trail: 'x' }],
    ['of no log', { log: 'a+b' }],
    ['of no chain', { chains: 0 }],
    ['with a sum that is not one', { sum: 'x' }],
  ])('%s is refused', (_, wrong) => {
    expect(() => parseStarts(signStarts({ ...said, ...wrong }, signer))).toThrow(
      /not a note about the starts/,
    )
  })

  test('names each field of each start', () => {
    const start = startAt(5)
    const sums = [
      start,
      { ...start, chain: 'f'.repeat(32) },
      { ...start, block: 6 },
      { ...start, hash: Buffer.alloc(32) },
      { ...start, keyBlock: 0 },
      { ...start, keyHash: Buffer.alloc(32) },
      { ...start, rows: 0 },
      { ...start, lost: 1 },
      { ...start, time: 0 },
      { ...start, lastId: undefined },
    ].map((one) => startsSum([one]))
    expect(new Set(sums).size).toBe(sums.length)
  })
})

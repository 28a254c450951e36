import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { BLOCKS_PER_KEY, rowLeaf } from '../../src/chain/block.js'
import { type BlockColumns, textOfColumns } from '../../src/chain/block-columns.js'
import { blockHash } from '../../src/chain/block.js'
import { merkleRoot } from '../../src/chain/merkle.js'
import { Anchors } from '../../src/verify/anchors.js'
import { signatureLines } from '../../src/chain/note.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { eventDigest } from '../../src/event/digest.js'
import { LOG, MemoryTrail, MemoryWriter, type StoredBlock, type Verified, verified } from './memory-trail.js'

// Which signatures are checked, and that nothing is accepted because others are not.

/** Blocks of the long chain: more than are checked in any case, under three keys. */
const BLOCKS = 2300
const ROWS_BEFORE = BLOCKS_PER_KEY - 1

let long: MemoryTrail
let chain: string
let trail: MemoryTrail

beforeAll(() => {
  long = new MemoryTrail()
  const writer = new MemoryWriter(long)
  while ((writer.chain.head?.block.number ?? 0) < BLOCKS) writer.write(1)
  chain = writer.id
})

beforeEach(() => {
  trail = new MemoryTrail()
  trail.table = long.table.map((block) => ({ ...block }))
  trail.rows = long.rows.map((row) => ({ ...row }))
})

const block = (number: number): StoredBlock => trail.table[number] as StoredBlock
const verifiedWhole = (): Promise<Verified> => verified(trail, {}, {}, undefined, true)
const codes = ({ found }: Verified): string[] => found.map(({ code, block: at }) => `${code} ${at}`)

/** A line of the right key, which signs something else. */
function otherBytes(number: number): string {
  return block(number).signatures.replace(/ ([^ ]+)\n$/, (_, encoded: string) => {
    const bytes = Buffer.from(encoded, 'base64')
    bytes[40] = (bytes[40] ?? 0) ^ 1
    return ` ${bytes.toString('base64')}\n`
  })
}

/** Rewrites a row and all that follows from it up to a block, without any key. */
function rewrite(from: number, to: number): void {
  for (let number = from; number <= to; number++) {
    const columns = block(number)
    if (number > from) columns.prevHash = blockHash(textOfColumns(block(number - 1)))
    if (columns.kind !== 'data') continue
    const row = trail.rowAt(chain, number, 0)
    row.event = { ...row.event, outcome: 'denied' }
    row.digest = eventDigest(row.event)
    columns.root = merkleRoot([rowLeaf(chain, number, 0, row.digest)])
  }
}

describe('an honest trail', () => {
  test('of some blocks: every signature is checked', async () => {
    const small = new MemoryTrail()
    const writers = [1, 2, 3].map(() => new MemoryWriter(small))
    for (const writer of writers) for (let i = 0; i < 5; i++) writer.write(2)
    writers[0]?.end('close')
    const { found, signatures } = await verified(small)
    expect([found, signatures]).toEqual([[], { checked: 19, of: 19 }])
  })

  test('of many: the last of each run, those that bring in keys, and a thousand others', async () => {
    const { found, signatures, rows } = await verified(trail)
    expect([found, rows.proven]).toEqual([[], trail.rows.length])
    // Genesis; the rotations and the blocks before them; the last block; and the sample.
    expect(signatures).toEqual({ checked: 1 + 2 + 2 + 1 + 1000, of: BLOCKS + 1 })
    const whole = await verifiedWhole()
    expect([whole.found, whole.signatures]).toEqual([[], { checked: BLOCKS + 1, of: BLOCKS + 1 }])
    expect(whole.rows).toEqual(rows)
  })
})

describe('signature lines of old blocks replaced', () => {
  test.each<[string, (columns: BlockColumns) => string]>([
    ['by nothing', () => ''],
    ['by what is not one', () => 'junk\n'],
    ['by one that is too short', ({ signatures }) => signatures.replace(/[^ ]{12}\n$/, '\n')],
    [
      'by one of another key of the same name',
      (columns) =>
        signatureLines(textOfColumns(columns), [generateNoteKey(`${LOG}/${columns.chainId}`).signer]),
    ],
    ['by one of another chain', ({ signatures }) => signatures.replace(chain, '0'.repeat(32))],
    ['by two, one of which is too short', ({ signatures }) => signatures + signatures.slice(0, -9) + '\n'],
  ])('%s: each is found, and no row loses its proof', async (_, replaced) => {
    const numbers = [1, 2, 500, 501, 503, 999, 1001, 2100, 2298]
    for (const number of numbers) block(number).signatures = replaced(block(number))
    const result = await verified(trail)
    expect(codes(result)).toEqual(numbers.map((number) => `block-signature ${number}`))
    expect(result.rows.proven).toBe(trail.rows.length)
  })

  test('by ones that look right, in all blocks: it is found, and no row loses its proof', async () => {
    for (const { blockNo, kind } of long.table)
      if (kind === 'data' && blockNo < BLOCKS - 1)
        block(Number(blockNo)).signatures = otherBytes(Number(blockNo))
    const result = await verified(trail)
    expect(result.found.length).toBeGreaterThanOrEqual(1000)
    expect(new Set(result.found.map(({ code }) => code))).toEqual(new Set(['block-signature']))
    expect(result.rows.proven).toBe(trail.rows.length)
    expect((await verifiedWhole()).found).toHaveLength(BLOCKS - 1 - 3)
  })

  test('by one that looks right, or is that of another block: with every signature it is found', async () => {
    block(5).signatures = otherBytes(5)
    block(1500).signatures = block(1501).signatures
    expect(codes(await verifiedWhole())).toEqual(['block-signature 5', 'block-signature 1500'])
    const { rows, found } = await verified(trail)
    expect(rows.proven).toBe(trail.rows.length)
    expect(found.length).toBeLessThanOrEqual(2)
  })

  test('of the last block alone: it is not proven, and all before it are', async () => {
    block(BLOCKS).signatures = otherBytes(BLOCKS)
    const result = await verified(trail)
    expect(codes(result)).toEqual([`block-signature ${BLOCKS}`])
    expect(result.rows.proven).toBe(trail.rows.length - 1)
    expect(result.chains[0]?.head?.block).toBe(BLOCKS - 1)
  })

  test('of the last blocks: as far back as none holds, nothing is proven', async () => {
    for (let number = BLOCKS - 200; number <= BLOCKS; number++) block(number).signatures = otherBytes(number)
    const result = await verified(trail)
    expect(result.found).toHaveLength(201)
    expect(result.rows.proven).toBe(trail.rows.length - 201)
    expect(result.chains[0]?.head?.block).toBe(BLOCKS - 201)
  })
})

describe('history rewritten', () => {
  test('before a gap: every block of it is accused, and none of its rows is proven', async () => {
    rewrite(1200, 1500)
    trail.dropBlock(chain, 1501)
    trail.rows = trail.rows.filter((row) => row.block !== 1501)
    const result = await verified(trail)
    expect(codes(result)).toEqual([
      ...Array.from({ length: 301 }, (_, i) => `block-signature ${1200 + i}`),
      'block-missing 1501',
    ])
    expect(result.rows.proven).toBe(trail.rows.length - 301)
    expect(codes(await verifiedWhole())).toEqual(codes(result))
  })

  test.each([
    ['before a block that is made malformed', (number: number) => void (block(number).kind = 'bogus')],
    ['before a block that is there twice', (number: number) => void trail.table.push({ ...block(number) })],
    ['before a block of another log', (number: number) => void (block(number).log = 'otel-audit/other')],
    ['before a block whose counters are changed', (number: number) => void (block(number).lostTotal = 7n)],
    ['up to a block that goes on as it was', () => {}],
  ])('%s', async (_, hide) => {
    rewrite(1200, 1500)
    hide(1501)
    const result = await verified(trail)
    const accused = result.found.filter(({ code }) => code === 'block-signature').map(({ block: at }) => at)
    expect(accused).toEqual(expect.arrayContaining(Array.from({ length: 301 }, (__, i) => 1200 + i)))
    expect(result.rows.proven).toBeLessThanOrEqual(trail.rows.length - 301)
    const whole = await verifiedWhole()
    expect([codes(result), result.rows]).toEqual([codes(whole), whole.rows])
  })

  test('up to a rotation, and beyond it', async () => {
    rewrite(1, ROWS_BEFORE)
    const upTo = await verified(trail)
    expect(codes(upTo)).toEqual(Array.from({ length: ROWS_BEFORE }, (_, i) => `block-signature ${i + 1}`))
    rewrite(BLOCKS_PER_KEY, BLOCKS_PER_KEY + 10)
    block(BLOCKS_PER_KEY).prevHash = blockHash(textOfColumns(block(ROWS_BEFORE)))
    rewrite(BLOCKS_PER_KEY, BLOCKS_PER_KEY + 10)
    // What the rotation is made to say nobody has signed: no later key is known.
    const beyond = await verified(trail)
    expect(codes(beyond)).toEqual(Array.from({ length: BLOCKS }, (_, i) => `block-signature ${i + 1}`))
    expect(beyond.rows.proven).toBe(0)
  })

  test('by whoever has stolen the key of today: not from before it came in', async () => {
    const thief = generateNoteKey(`${LOG}/${chain}`)
    // The rotation brings in the thief's key: only the key before it could sign that.
    const rotation = block(BLOCKS_PER_KEY)
    rotation.body = `writer ${thief.verifierKey}\n`
    rewrite(900, ROWS_BEFORE)
    rotation.prevHash = blockHash(textOfColumns(block(ROWS_BEFORE)))
    for (let number = 900; number <= BLOCKS_PER_KEY; number++)
      block(number).signatures = signatureLines(textOfColumns(block(number)), [thief.signer])
    const { found, rows } = await verified(trail)
    const accused = new Set(found.filter(({ code }) => code === 'block-signature').map(({ block: at }) => at))
    for (let number = 900; number <= BLOCKS_PER_KEY; number++) expect(accused).toContain(number)
    expect(rows.proven).toBeLessThan(trail.rows.length - 100)
  })

  test('as a fork: a second prefix under the numbers of the first', async () => {
    const honest = trail.table.slice(1, 40).map((columns) => ({ ...columns }))
    rewrite(1, 39)
    const forged = trail.table.slice(1, 40).map((columns) => ({ ...columns }))
    // Numbers come in their order, so that the two take turns.
    trail.table = [
      trail.table[0],
      ...honest.flatMap((columns, i) => [forged[i], columns]),
      ...trail.table.slice(40),
    ].filter((columns): columns is StoredBlock => columns !== undefined)
    const result = await verified(trail)
    expect(result.findings.get('block-repeated')).toBe(39)
    expect(result.rows.proven).toBe(trail.rows.length - 39)
    expect(codes(await verifiedWhole())).toEqual(codes(result))
  })
})

test('the last block cut off is not found without anchors, and the one before it is held against its key', async () => {
  trail.dropBlock(chain, BLOCKS)
  trail.rows = trail.rows.filter((row) => row.block !== BLOCKS)
  expect((await verified(trail)).found).toEqual([])
  block(BLOCKS - 1).signatures = otherBytes(BLOCKS - 1)
  expect(codes(await verified(trail))).toEqual([`block-signature ${BLOCKS - 1}`])
})

test('a block that an anchor contradicts, and the one after it, are held against their key', async () => {
  const anchors = new Anchors()
  anchors.add({ log: LOG, chain, block: 1234, hash: Buffer.alloc(32) })
  for (const number of [1234, 1235]) block(number).signatures = otherBytes(number)
  const result = await verified(trail, {}, {}, anchors)
  expect(codes(result)).toEqual(['anchor-mismatch 1234', 'block-signature 1234', 'block-signature 1235'])
})

test('a block that is pinned is held against its key, wherever it stands', async () => {
  block(2222).signatures = otherBytes(2222)
  const hash = blockHash(textOfColumns(block(2222)))
  expect(codes(await verified(trail, { heads: [{ chain, block: 2222, hash }] }))).toEqual([
    'block-signature 2222',
  ])
})

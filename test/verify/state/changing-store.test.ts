import { beforeEach, describe, expect, test } from 'vitest'
import { textOfColumns } from '../../../src/chain/block-columns.js'
import { blockHash } from '../../../src/chain/block.js'
import { generateNoteKey } from '../../../src/chain/note-key.js'
import { signRetention } from '../../../src/verify/retention-note.js'
import { LeafSum } from '../../../src/verify/leaf-digests.js'
import { Anchors } from '../../../src/verify/anchors.js'
import { LOG, MemoryWriter, TRAIL } from '../memory-trail.js'
import { DAY, PartedTrail, START, Watcher } from './watched-trail.js'

const DAYS = 40
const END = START + DAYS * DAY
const MIDDLE = DAYS / 2

let trail: PartedTrail
let writer: MemoryWriter
let watcher: Watcher

beforeEach(() => {
  trail = new PartedTrail()
  const writers = [1, 2].map(() => new MemoryWriter(trail))
  for (let day = 0; day < DAYS; day++) {
    for (const [i, one] of writers.entries()) one.write(3, trail.from(START + day * DAY + i * 700))
  }
  writer = writers[0] as MemoryWriter
  watcher = new Watcher(trail, { origin: LOG, unsigned: 'none' })
})

describe('a store that answers differently to different questions', () => {
  test('does not get a block and its rows past the reading by ids: at the end of the cycle it is found', async () => {
    expect((await watcher.run(END)).found).toEqual([])
    trail.dropRows(writer.id, MIDDLE)
    trail.hides = ({ chainId, blockNo }) => chainId === writer.id && blockNo >= BigInt(MIDDLE)
    let last = await watcher.run(END + DAY)
    for (let day = 2; day <= 29; day++) {
      expect(last.found).toEqual([])
      last = await watcher.run(END + day * DAY)
    }
    const { found } = await watcher.run(END + 30 * DAY)
    expect(found[0]).toMatchObject({ code: 'store-altered' })
    expect(found[0]?.message).toContain('are others in their chains than with their rows')
    // From now on everything is asked for in one run.
    const again = await watcher.run(END + 31 * DAY)
    expect([again.incremental.full, again.found.length > 0]).toEqual([true, true])
  })

  test('that shows other blocks for a share, and puts them back, breaks the chain from one share to the next', async () => {
    expect((await watcher.run(END)).found).toEqual([])
    const genuine = { ...trail.blockAt(writer.id, MIDDLE) }
    let day = 0
    // Each time something else stands in the block that the next share of this chain ends with, or begins behind.
    for (let isFound = false; !isFound && ++day <= 30; ) {
      const mark = watcher.state?.cycle.chainsTo
      const block = trail.blockAt(writer.id, MIDDLE)
      const isRead = mark?.point !== undefined && mark.chain === writer.id && mark.point.last.number >= MIDDLE
      block.lostTotal = isRead ? genuine.lostTotal : 7n
      isFound = (await watcher.run(END + day * DAY)).found.length > 0
    }
    expect(day).toBeLessThanOrEqual(30)
  })
})

describe('anchors', () => {
  const hashOf = (block: number): Uint8Array => blockHash(textOfColumns(trail.blockAt(writer.id, block)))

  test('of blocks that were read before are looked up, with their rows', async () => {
    await watcher.run(END)
    const anchors = new Anchors()
    const { auditId } = trail.rowAt(writer.id, MIDDLE, 1).event
    const place = { log: LOG, chain: writer.id, block: MIDDLE }
    anchors.add({ ...place, hash: hashOf(MIDDLE), row: { index: 1, auditId } })
    anchors.add({ ...place, block: 3, hash: hashOf(3) })
    const { found, anchors: coverage } = await watcher.run(END + 1, anchors)
    expect([found, coverage]).toEqual([[], { given: 2, held: 2, retired: 0, foreign: 0 }])
  })

  test.each<[string, string, (anchors: Anchors) => void]>([
    ['of another hash', 'anchor-mismatch', (anchors) => anchors.add(anchor({ hash: Buffer.alloc(32) }))],
    ['of a block that is not there', 'anchor-missing', (anchors) => anchors.add(anchor({ block: DAYS + 9 }))],
    [
      'of another row',
      'anchor-mismatch',
      (anchors) => anchors.add(anchor({ hash: hashOf(MIDDLE), row: { index: 1, auditId: 5n } })),
    ],
  ])('%s stay a finding, also when their file is not given any more', async (_, code, add) => {
    await watcher.run(END)
    const anchors = new Anchors()
    add(anchors)
    expect((await watcher.run(END + 1, anchors)).found).toMatchObject([{ code }])
    expect((await watcher.run(END + 2)).found).toMatchObject([{ code }])
    expect((await watcher.run(END + 3)).found).toMatchObject([{ code }])
  })

  const anchor = (more: object): Parameters<Anchors['add']>[0] => ({
    log: LOG,
    chain: writer.id,
    block: MIDDLE,
    hash: undefined,
    ...more,
  })
})

describe('rows about retention', () => {
  const KEY = generateNoteKey(`${LOG}/retention`)
  const OTHER = generateNoteKey(`${LOG}/retention`)

  const note = (signer = KEY.signer): string =>
    signRetention(
      {
        log: LOG,
        trail: TRAIL,
        state: 'retired',
        partition: 'secret_audit_2025_01',
        from: undefined,
        to: trail.event(START + 5 * DAY - 1000).auditId,
        rows: 30,
        leaves: new LeafSum().set,
        manifests: [],
        time: END * 1000,
      },
      signer,
    )

  beforeEach(async () => {
    watcher = new Watcher(trail, { origin: LOG, unsigned: 'none', retention: [KEY.signer.key] })
    expect((await watcher.run(END)).found).toEqual([])
  })

  test('are read when they come, and known from then on', async () => {
    const bound = trail.event(START + 5 * DAY - 1000).auditId
    trail.rows = trail.rows.filter(({ event }) => event.auditId >= bound)
    trail.notes = [{ auditId: trail.event(END + 1000).auditId, note: note() }]
    expect((await watcher.run(END + DAY)).found).toEqual([])
    expect(watcher.state?.retention).toHaveLength(1)
    // Whoever removes the row does not undo what was signed.
    trail.notes = []
    for (let day = 2; day <= 29; day++) expect((await watcher.run(END + day * DAY)).found).toEqual([])
  })

  test('one that is refused stays a finding as long as it is there', async () => {
    trail.notes = [{ auditId: trail.event(END + 1000).auditId, note: note(OTHER.signer) }]
    for (let day = 1; day <= 4; day++)
      expect((await watcher.run(END + day * DAY)).found).toMatchObject([{ code: 'retention-refused' }])
    trail.notes = []
    expect((await watcher.run(END + 5 * DAY)).found).toEqual([])
  })

  test('rows that are gone without one are found within the period', async () => {
    const bound = trail.event(START + 5 * DAY - 1000).auditId
    trail.rows = trail.rows.filter(({ event }) => event.auditId >= bound)
    expect(await watcher.daysUntilFound(END, 30)).toBeLessThanOrEqual(30)
  })
})

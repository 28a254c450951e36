import { describe, expect, test } from 'vitest'
import { textOfColumns } from '../../../src/chain/block-columns.js'
import { signatureLines } from '../../../src/chain/note.js'
import { generateNoteKey } from '../../../src/chain/note-key.js'
import { eventDigest } from '../../../src/event/digest.js'
import type { AuditEvent } from '../../../src/event/event.js'
import type { Trust } from '../../../src/verify/trust.js'
import { LOG, MemoryWriter, type StoredBlock, type StoredRow, verified } from '../memory-trail.js'
import { DAY, PartedTrail, START, Watcher } from './watched-trail.js'

// What somebody can do between two runs who may write to both tables, but has no key; and when it is found. The table of
// docs/integrity.md says the same.

const OPERATOR = generateNoteKey(`${LOG}/enrolment`)
const TRUST: Partial<Trust> = { origin: LOG, enrolment: [OPERATOR.signer.key], unsigned: 'none' }
const DAYS = 40
const END = START + DAYS * DAY
/** Number of a block in the middle of the victim's chain, and of its last one. */
const [MIDDLE, LAST] = [DAYS / 2, DAYS]

interface Scene {
  readonly trail: PartedTrail
  readonly victim: MemoryWriter
  readonly row: (block: number, index?: number) => StoredRow
  readonly block: (number: number) => StoredBlock
}

/** Three writers, a block of three rows each a day. */
function scene(): Scene {
  const trail = new PartedTrail()
  const writers = [1, 2, 3].map(() => new MemoryWriter(trail, OPERATOR.signer))
  for (let day = 0; day < DAYS; day++) {
    for (const [i, writer] of writers.entries()) writer.write(3, trail.from(START + day * DAY + i * 700))
  }
  const victim = writers[1] as MemoryWriter
  return {
    trail,
    victim,
    row: (block, index = 1) => trail.rowAt(victim.id, block, index),
    block: (number) => trail.blockAt(victim.id, number),
  }
}

function insert(trail: PartedTrail, event: AuditEvent, place?: Omit<StoredRow, 'event' | 'digest'>): void {
  trail.insert({ event, digest: eventDigest(event), ...(place ?? { chain: null, block: null, index: null }) })
}

function withoutRows(trail: PartedTrail, chain: string, isGone: (block: number) => boolean): void {
  trail.rows = trail.rows.filter((row) => row.chain !== chain || !isGone(row.block ?? 0))
}

type Attack = (scene: Scene) => void

const AT_ONCE: Readonly<Record<string, Attack>> = {
  'a row is inserted without a block, with an id of now': ({ trail }) =>
    insert(trail, trail.event(END + 1000)),
  'a row is inserted below all others': ({ trail }) => insert(trail, { ...trail.event(START), auditId: -5n }),
  'a row of now is inserted into an old block': ({ trail, victim }) =>
    insert(trail, trail.event(END + 1000), { chain: victim.id, block: MIDDLE, index: 3 }),
  'the last block is changed': ({ block }) => void (block(LAST).root = Buffer.alloc(32)),
  'the last block is cut off, with its rows': ({ trail, victim }) => {
    trail.dropBlock(victim.id, LAST)
    withoutRows(trail, victim.id, (number) => number === LAST)
  },
  'a chain is removed, with its rows': ({ trail, victim }) => {
    trail.table = trail.table.filter(({ chainId }) => chainId !== victim.id)
    trail.dropRows(victim.id)
  },
  'a chain is replaced by one of another key': ({ trail, victim }) => {
    trail.table = trail.table.filter(({ chainId }) => chainId !== victim.id)
    trail.dropRows(victim.id)
    new MemoryWriter(trail).write(4, trail.from(START))
  },
  'a chain of another key is added': ({ trail }) => {
    new MemoryWriter(trail).write(4, trail.from(START + 3 * DAY))
  },
  'a block is added to a chain, with a key of one’s own': ({ trail, victim, block }) => {
    const added = { ...block(LAST), blockNo: BigInt(LAST + 1) }
    const { signer } = generateNoteKey(`${LOG}/${victim.id}`)
    trail.table.push({ ...added, signatures: signatureLines(textOfColumns(added), [signer]) })
  },
  'a row of a new block is changed': ({ trail, victim }) => {
    const [row] = victim.write(3, trail.from(END + 1000))
    if (row !== undefined) row.event = { ...row.event, notes: 'other' }
  },
  'a row of a new block is removed': ({ trail, victim }) => {
    const [row] = victim.write(3, trail.from(END + 1000))
    trail.rows = trail.rows.filter((other) => other !== row)
  },
}

const WITHIN_THE_PERIOD: Readonly<Record<string, Attack>> = {
  'an old row is changed': ({ row }) => void (row(MIDDLE).event = { ...row(MIDDLE).event, notes: 'other' }),
  'an old row is changed, and its digest put right': ({ row }) => {
    const target = row(MIDDLE)
    target.event = { ...target.event, notes: 'other' }
    target.digest = eventDigest(target.event)
  },
  'an old row is removed': ({ trail, row }) => {
    const target = row(MIDDLE)
    trail.rows = trail.rows.filter((other) => other !== target)
  },
  'an old row is inserted, without a block': ({ trail }) => insert(trail, trail.event(START + MIDDLE * DAY)),
  'an old row is inserted into an old block': ({ trail, victim, row }) => {
    const event = { ...row(MIDDLE).event, auditId: row(MIDDLE).event.auditId + 1n }
    insert(trail, event, { chain: victim.id, block: MIDDLE, index: 3 })
  },
  'an old row is inserted into a chain that is not there': ({ trail }) =>
    insert(trail, trail.event(START + MIDDLE * DAY), { chain: '0'.repeat(32), block: 1, index: 0 }),
  'two old rows are exchanged': ({ row }) => {
    const [a, b] = [row(MIDDLE, 0), row(MIDDLE, 2)]
    ;[a.index, b.index] = [b.index, a.index]
  },
  'an old block is changed': ({ block }) => void (block(MIDDLE).lostTotal = 7n),
  'an old block is changed to fit an old row that was removed': ({ trail, block, row }) => {
    const target = row(MIDDLE, 2)
    trail.rows = trail.rows.filter((other) => other !== target)
    Object.assign(block(MIDDLE), { rowCount: 2, maxId: row(MIDDLE, 1).event.auditId })
  },
  'an old block is removed, with its rows': ({ trail, victim }) => {
    trail.dropBlock(victim.id, MIDDLE)
    withoutRows(trail, victim.id, (number) => number === MIDDLE)
  },
  'a genesis block is changed': ({ block }) => void (block(0).blockTime = 5n),
}

const CASES = [
  ...Object.entries(AT_ONCE).map(([name, attack]) => ['at once', name, attack] as const),
  ...Object.entries(WITHIN_THE_PERIOD).map(([name, attack]) => ['within the period', name, attack] as const),
]

describe.each(CASES)('found %s: %s', (when, _, attack) => {
  test('by runs that go on from a state; and it stays found', async () => {
    const made = scene()
    const watcher = new Watcher(made.trail, TRUST)
    expect((await watcher.run(END)).found).toEqual([])
    attack(made)
    const day = (await watcher.daysUntilFound(END, 30)) ?? 0
    if (when === 'at once') expect(day).toBe(1)
    else expect(day).toBeGreaterThan(0)
    const { found, incremental } = await watcher.run(END + (day + 1) * DAY)
    expect(found.length).toBeGreaterThan(0)
    expect(incremental.open.chains + incremental.open.ranges).toBeGreaterThan(0)
  })

  test('by a first run as by verify', async () => {
    const made = scene()
    attack(made)
    const all = await verified(made.trail, TRUST)
    const { found } = await new Watcher(made.trail, TRUST).run(END + 2 * DAY)
    // Removing a whole chain, or its end, leaves nothing: a state knows of it.
    expect(codesOf(found)).toEqual(codesOf(all.found))
  })
})

function codesOf(found: readonly { readonly code: string }[]): readonly string[] {
  return [...new Set(found.map(({ code }) => code))].toSorted()
}

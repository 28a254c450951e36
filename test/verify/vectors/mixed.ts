import { eventDigest } from '../../../src/event/digest.js'
import { eventOf } from './builder.js'
import { TRUST } from './alterations.js'
import { HONEST, NEXT, UNICODE_CHAIN, WALLET } from './honest.js'
import { type Json, type Patch, rowJson } from './tables.js'

// Several things done at once, at random: where the rules of two attacks meet, implementations differ.

export interface Mixed {
  readonly patch: readonly Patch[]
  readonly trust: string
}

/** Numbers that look random, and are the same everywhere: x ← (1103515245 x + 12345) mod 2^31. */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  below(limit: number): number {
    this.#state = Number((BigInt(this.#state) * 1_103_515_245n + 12_345n) % 2n ** 31n)
    return Math.floor((this.#state / 2 ** 31) * limit)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}

type Columns = Readonly<Record<string, string | number | null>>

const BLOCK_CHANGES: readonly Columns[] = [
  { min_id: null },
  { max_id: null },
  { min_id: '1' },
  { max_id: '9000000000000000000' },
  { kind: 'idle' },
  { row_count: 3 },
  { row_total: '5' },
  { root: '00'.repeat(32) },
  { block_time: '9' },
  { lost_total: '3' },
  { prev_hash: '00'.repeat(32) },
]
const PLACE_CHANGES: readonly Columns[] = [
  { chain_id: null },
  { block_no: '2' },
  { block_no: '77' },
  { chain_id: NEXT.id },
  { chain_id: null, block_no: null, block_index: null },
]
const GENESIS_CHANGES: readonly Columns[] = [{ body: 'x\n' }, { signatures: '' }, { log: 'otel-audit/other' }]

/** Everything that one of them touches is near one block. */
function attackOn(dice: Dice, block: Json): readonly Patch[] {
  const where = { chain_id: block['chain_id'] ?? '', block_no: block['block_no'] ?? '' }
  const near = (): Json => nearTo(dice, block)
  const row = (columns: Json, set: Columns): Patch => ({
    table: 'rows',
    where: { audit_id: columns['audit_id'] ?? '' },
    set,
  })
  const attacks: readonly (() => readonly Patch[])[] = [
    () => [row(near(), { outcome: 'denied' })],
    () => [row(near(), { block_index: dice.pick([0, 1, 2, 5, 194, 195, 99_999, -1, null]) })],
    () => [{ table: 'rows', where: { audit_id: near()['audit_id'] ?? '' }, delete: true }],
    () => [{ table: 'rows', insert: [planted(dice, near(), where)] }],
    () => [{ table: 'blocks', where, set: dice.pick(BLOCK_CHANGES) }],
    () => [{ table: 'blocks', where, delete: true }],
    () => {
      const signatures = dice.pick(['', 'x\n', String(dice.pick(HONEST.blocks)['signatures'])])
      return [{ table: 'blocks', where, set: { signatures } }]
    },
    () => {
      const block_no = dice.pick(['-1', '3', '12', '99', '9007199254740992'])
      return [{ table: 'blocks', insert: [{ ...block, block_no }] }]
    },
    () => [row(near(), { event_digest: null })],
    () => [row(near(), dice.pick(PLACE_CHANGES))],
    () => {
      const [a, b] = [near(), near()]
      return [
        row(a, { block_index: b['block_index'] ?? null }),
        row(b, { block_index: a['block_index'] ?? null }),
      ]
    },
    () => {
      const target = near()
      const moved = BigInt(target['audit_id'] ?? 0) + dice.pick([1n, -1500n, 5000n, -1_000_000n])
      return [row(target, { audit_id: String(moved) })]
    },
    () => {
      const chain_id = dice.pick([WALLET, UNICODE_CHAIN, NEXT]).id
      return [{ table: 'blocks', where: { chain_id, block_no: '0' }, set: dice.pick(GENESIS_CHANGES) }]
    },
  ]
  return dice.pick(attacks)()
}

function nearTo(dice: Dice, block: Json): Json {
  const own = HONEST.rows.filter(
    (row) => row['chain_id'] === block['chain_id'] && row['block_no'] === block['block_no'],
  )
  return dice.pick(own.length > 0 ? own : HONEST.rows)
}

function planted(dice: Dice, beside: Json, { chain_id, block_no }: Json): Json {
  const event = eventOf({ auditId: BigInt(beside['audit_id'] ?? 0) + dice.pick([1n, -1n, 7n, 500n]) })
  const digest = dice.pick([eventDigest(event), null, Buffer.alloc(32)])
  return rowJson({ event, digest, chain: String(chain_id), block: Number(block_no), index: dice.below(6) })
}

/** One of these. Its patch may find nothing to patch, where one attack undoes what another needs. */
export function mixed(seed: number): Mixed {
  const dice = new Dice(seed)
  // The first ones of neighbouring seeds are alike.
  for (let i = 0; i < 8; i++) dice.below(2)
  const block = dice.pick(HONEST.blocks)
  const patch = Array.from({ length: 1 + dice.below(4) }, () => attackOn(dice, block)).flat()
  const trust = TRUST.slice(dice.below(2), dice.below(5) === 0 ? 3 : 4)
  if (dice.below(3) === 0) trust.push(`rows-from ${String(nearTo(dice, block)['audit_id'])}`)
  return { patch, trust: `${trust.join('\n')}\n` }
}

import { expect, test } from 'vitest'
import type { FoundRelation } from '../../../src/postgres/store/inspection.js'
import { KnownRelations } from '../../../src/postgres/store/known-relations.js'
import { anEvent, entryOf } from '../../support/events.js'

// Where rows go, by what the last full check has seen.

/** A number of 63 bits that says which relation it is of; every second is negative. */
const shapeOf = (oid: string): bigint =>
  (BigInt(oid) % 2n === 0n ? -1n : 1n) * (2n ** 62n + BigInt(oid) ** 5n)
const relation = (oid: string, part: FoundRelation['part'], bound: string | null = null, kind = 'r') =>
  ({ oid, part, kind, bound, shape: `${shapeOf(oid)}` }) as FoundRelation
const between = (first: string, end: string): string => `FOR VALUES FROM (${first}) TO (${end})`
const TABLES = [relation('1', 'rows'), relation('2', 'blocks'), relation('3', 'row type')]
const known = new KnownRelations([
  ...TABLES,
  relation('10', 'partition', between('MINVALUE', `'100'`)),
  relation('11', 'partition', between(`'100'`, `'200'`)),
  relation('12', 'partition', between(`'300'`, `'400'`), 'p'),
  relation('13', 'partition', 'DEFAULT'),
  relation('14', 'partition', between(`'500'`, 'MAXVALUE')),
])
const entries = (...ids: number[]) => ids.map((id) => entryOf(anEvent({}, { auditId: BigInt(id) })))

test.each<[string, number[], string[]]>([
  ['no rows', [], []],
  ['one row', [150], ['11']],
  ['the first and the last id of a partition', [100, 199], ['11']],
  ['rows before all bounds', [0, 1], ['10']],
  ['rows of two partitions', [98, 99, 100, 101], ['10', '11']],
])('%s', (_, ids, partitions) => {
  const oids = ['1', '2', '3', ...partitions]
  const shape = oids.map(shapeOf).reduce((sum, one) => sum + one)
  const batch = entries(...ids)
  expect(known.of(batch)).toEqual({ oids, shape: `${shape}` })
  expect(known.of(batch)).toEqual({ oids, shape: `${shape}` })
})

test.each<[string, number[]]>([
  ['of no partition', [200]],
  ['of no partition, behind one that has one', [150, 250]],
  ['of a partition that is partitioned again', [350]],
  ['of one without an end', [600]],
])('a row %s is not known to be anywhere', (_, ids) => {
  expect(known.of(entries(...ids))).toBeUndefined()
})

test('every relation has its shape', () => {
  expect(known.shapes).toHaveLength(8)
  expect(known.shapes).toContain(`${shapeOf('13')}`)
})

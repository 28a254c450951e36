import { expect, test } from 'vitest'
import { lostOf } from '../../src/verify/losses.js'

const chain = (id: string, lost: number, instance?: string, continues?: string) => ({
  chain: id,
  service: 'wallet',
  instance,
  lost,
  continues: continues === undefined ? undefined : { chain: continues, block: 1 },
})

test.each([
  ['writers of their own', [chain('a', 3, 'i-1'), chain('b', 4, 'i-2')], 7],
  ['two chains of one writer', [chain('a', 3, 'i-1'), chain('b', 4, 'i-1')], 4],
  [
    'chains that continue each other',
    [chain('a', 3), chain('b', 5, undefined, 'a'), chain('c', 4, undefined, 'b')],
    5,
  ],
  ['without an instance, and apart', [chain('a', 3), chain('b', 4, '')], 7],
  ['a chain that continues one that is not there', [chain('b', 5, undefined, 'gone')], 5],
  [
    'chains that continue each other in a circle',
    [chain('a', 3, undefined, 'b'), chain('b', 4, undefined, 'a')],
    7,
  ],
  ['none', [], 0],
])('%s', (_, chains, lost) => {
  expect(lostOf(chains)).toBe(lost)
})

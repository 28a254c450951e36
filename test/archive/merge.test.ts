import { array, assert, asyncProperty, integer, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { merged, type SortedList } from '../../src/archive/merge.js'

interface Item {
  readonly key: number
  readonly list: number
}

const byKey = (a: Item, b: Item): number => a.key - b.key

async function all(lists: readonly SortedList<Item>[]): Promise<Item[]> {
  const items: Item[] = []
  for await (const batch of merged(lists, byKey)) items.push(...batch)
  return items
}

/** A list in batches of a size, that says whether it was opened, and how many batches were taken. */
function listOf(keys: readonly number[], list: number, size: number, from?: number) {
  const items = keys.map((key): Item => ({ key, list }))
  const taken = { isOpen: false, batches: 0 }
  const sorted: SortedList<Item> = {
    from: from === undefined ? undefined : { key: from, list },
    open: async function* () {
      taken.isOpen = true
      for (let at = 0; at < items.length; at += size) {
        taken.batches++
        yield items.slice(at, at + size)
      }
    },
  }
  return { ...sorted, taken }
}

test('every item comes once, in order, and of equal ones that of the earlier list first', async () => {
  const keys = array(integer({ min: 0, max: 30 }), { maxLength: 40 }).map((list) =>
    list.toSorted((a, b) => a - b),
  )
  await assert(
    asyncProperty(array(tuple(keys, integer({ min: 1, max: 7 })), { maxLength: 5 }), async (given) => {
      const lists = given.map(([list, size], i) => listOf(list, i, size))
      const expected = given.flatMap(([list], i) => list.map((key) => ({ key, list: i }))).toSorted(byKey)
      expect(await all(lists)).toEqual(expected)
      // Those that say where they begin are opened in another order, and come in the same.
      const lazy = given.map(([list, size], i) => listOf(list, i, size, list[0] ?? 0))
      expect((await all(lazy)).map(({ key }) => key)).toEqual(expected.map(({ key }) => key))
    }),
  )
})

test('a list that is due later is opened later, and no batch is taken before it is needed', async () => {
  const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)
  const first = listOf(numbers(0, 5000), 0, 2500, 0)
  const second = listOf(numbers(5000, 10), 1, 10, 5000)
  const batches = merged([second, first], byKey)[Symbol.asyncIterator]()
  const { value } = await batches.next()
  expect([value?.length, first.taken.batches, second.taken.isOpen]).toEqual([1000, 1, false])
  let count = 1000
  for (let next = await batches.next(); next.done !== true; next = await batches.next())
    count += next.value.length
  expect([count, second.taken.isOpen]).toEqual([5010, true])
})

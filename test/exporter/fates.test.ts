import { expect, test } from 'vitest'
import type { Generation } from '../../src/exporter/entry.js'
import { Generations } from '../../src/exporter/fates.js'

/** Barriers that have been passed, by name, after the microtasks that tell so. */
function watching(): { passed: string[]; put(generations: Generations, name: string): void } {
  const passed: string[] = []
  return { passed, put: (generations, name) => void generations.barrier().then(() => passed.push(name)) }
}

const told = (): Promise<void> => new Promise(setImmediate)

test('a barrier waits for all that came before it, and for nothing that came after', async () => {
  const { passed, put } = watching()
  const generations = new Generations()
  put(generations, 'at nothing')
  await told()
  expect(passed).toEqual(['at nothing'])
  const before = [generations.enter(), generations.enter()] as [Generation, Generation]
  put(generations, 'first')
  put(generations, 'beside it')
  const between = generations.enter()
  put(generations, 'second')
  const after = generations.enter()
  generations.leave(after)
  generations.leave(between)
  generations.leave(before[1])
  await told()
  expect(passed).toEqual(['at nothing'])
  generations.leave(before[0])
  await told()
  expect(passed).toEqual(['at nothing', 'first', 'beside it', 'second'])
})

test('goes on after any number of barriers and events', async () => {
  const { passed, put } = watching()
  const generations = new Generations()
  for (let round = 0; round < 1000; round++) {
    const entered = generations.enter()
    put(generations, `${round}`)
    if (round % 3 === 0) put(generations, `${round} again`)
    generations.leave(entered)
  }
  await told()
  expect(passed).toHaveLength(1334)
})

import { describe, expect, test } from 'vitest'
import { soakOptions } from '../../soak/options.js'
import { type Kill, schedule } from '../../soak/schedule.js'

function killsOf(seed: number, count: number): Kill[] {
  const plan = schedule(seed)
  return Array.from({ length: count }, () => plan.next().value)
}

describe('the schedule of a seed', () => {
  test('is the same each time, and another for another seed', () => {
    expect(killsOf(7, 200)).toEqual(killsOf(7, 200))
    expect(killsOf(8, 200)).not.toEqual(killsOf(7, 200))
  })

  test('has every kind of kill in every ten', () => {
    for (const seed of [0, 1, 2 ** 32 - 1]) {
      const kinds = new Set(killsOf(seed, 10).map(({ what }) => what))
      expect([...kinds].sort()).toEqual(['crash', 'cut', 'freeze', 'terminate', 'writer'])
    }
  })

  test('cuts connections at every place, and kills writers early, late, and beside a drain', () => {
    const kills = killsOf(1, 200)
    const cuts = kills.flatMap((kill) => (kill.what === 'cut' ? kill.cut : []))
    expect(new Set(cuts).size).toBe(4)
    const writers = kills.flatMap((kill) => (kill.what === 'writer' ? `${kill.early} ${kill.drain}` : []))
    expect(new Set(writers).size).toBe(4)
  })
})

describe('the options', () => {
  test('have defaults, and a seed that can be told', () => {
    const { seed, ...rest } = soakOptions([])
    expect(seed).toBeGreaterThanOrEqual(0)
    expect(rest).toEqual({
      kills: 10,
      minutes: Infinity,
      mode: 'mixed',
      lost: undefined,
      writerThread: false,
      through: undefined,
      collector: undefined,
      kafka: false,
      brokers: 3,
      failovers: 0,
      help: false,
    })
    expect(soakOptions(['--writer-thread'])).toMatchObject({ writerThread: true })
    expect(soakOptions(['--minutes', '3'])).toMatchObject({ kills: Infinity, minutes: 3 })
    expect(soakOptions(['--kills', '200', '--seed', '0', '--mode', 'async'])).toMatchObject({
      kills: 200,
      seed: 0,
      mode: 'async',
    })
  })

  test.each([
    ['--mode', 'lenient'],
    ['--kills', '0'],
    ['--kills', 'ten'],
    ['--seed', '-1'],
    ['--seed', '4294967296'],
    ['--minutes', '1.5'],
    ['--unknown', '1'],
  ])('refuse %s %s', (...args) => {
    expect(() => soakOptions(args)).toThrow(args[0])
  })
})

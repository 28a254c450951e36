import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { INT8_MAX, INT8_MIN } from '../../src/event/int8.js'
import {
  firstIdOf,
  lastIdOf,
  SNOWFLAKE_EPOCH_MS,
  SNOWFLAKE_LAST_MS,
  SnowflakeGenerator,
  snowflakeTime,
} from '../../src/event/snowflake.js'

const EPOCH = Date.UTC(2024, 0, 1)
const NOW = EPOCH + 1_000_000_000

const machineOf = (id: bigint): number => Number((id >> 12n) & 1023n)
const sequenceOf = (id: bigint): number => Number(id & 4095n)

/** A clock that stands still, runs, jumps ahead and steps back, and how many ids are made at each reading. */
const clock = fc.array(
  fc.record({
    step: fc.oneof(fc.constant(0), fc.integer({ min: -5000, max: 5000 }), fc.constantFrom(1, -1)),
    ids: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(5000)),
  }),
  { minLength: 1, maxLength: 30 },
)

function run(generator: SnowflakeGenerator, readings: readonly { step: number; ids: number }[]): bigint[] {
  let now = NOW
  return readings.flatMap(({ step, ids }) => {
    now += step
    return Array.from({ length: ids }, () => generator.next(now))
  })
}

describe('ids', () => {
  it('are strictly increasing, unique and 63 bits whatever the clock does', () => {
    fc.assert(
      fc.property(clock, fc.integer({ min: 0, max: 1023 }), (readings, machine) => {
        const ids = run(new SnowflakeGenerator(machine), readings)
        expect(ids.findIndex((id, i) => i > 0 && id <= (ids[i - 1] ?? id))).toBe(-1)
        expect(ids.findIndex((id) => id < 0n || id >= 2n ** 63n || machineOf(id) !== machine)).toBe(-1)
      }),
      { numRuns: 50 },
    )
  })

  it('never meet those of another machine id', () => {
    fc.assert(
      fc.property(clock, clock, (one, other) => {
        const ids = [...run(new SnowflakeGenerator(1), one), ...run(new SnowflakeGenerator(2), other)]
        expect(new Set(ids).size).toBe(ids.length)
      }),
      { numRuns: 20 },
    )
  })

  it('hold the millisecond they were made in, while the clock runs ahead', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1 }), (steps) => {
        const generator = new SnowflakeGenerator(7)
        let now = NOW
        for (const step of steps) {
          now += step
          expect(snowflakeTime(generator.next(now + 0.9))).toBe(now)
        }
      }),
    )
  })

  it('count on from the highest millisecond used after the clock stepped back', () => {
    const generator = new SnowflakeGenerator(7)
    const before = generator.next(NOW)
    const after = generator.next(NOW - 60_000)
    expect(snowflakeTime(after)).toBe(NOW)
    expect(after).toBe(before + 1n)
  })

  it.each([5, 60, 400 * 24 * 60])(
    'follow the clock back when it had been wrong by more than 5 min: %d min',
    (minutes) => {
      const generator = new SnowflakeGenerator(7)
      const before = generator.next(NOW)
      const wrong = generator.next(NOW + minutes * 60_000 + 1)
      const after = [generator.next(NOW + 1), generator.next(NOW + 1), generator.next(NOW + 2)]
      expect(snowflakeTime(wrong)).toBe(NOW + minutes * 60_000 + 1)
      expect(after.map(snowflakeTime)).toEqual(
        minutes === 5 ? Array(3).fill(snowflakeTime(wrong)) : [NOW + 1, NOW + 1, NOW + 2],
      )
      expect(new Set([before, wrong, ...after]).size).toBe(5)
    },
  )

  it('go on in the next millisecond when the sequence of one is used up', () => {
    const generator = new SnowflakeGenerator(7, { random: () => 2000 })
    const ids = Array.from({ length: 4096 - 2000 + 1 }, () => generator.next(NOW))
    expect(snowflakeTime(ids.at(-2) ?? 0n)).toBe(NOW)
    expect(sequenceOf(ids.at(-2) ?? 0n)).toBe(4095)
    expect(snowflakeTime(ids.at(-1) ?? 0n)).toBe(NOW + 1)
    expect(sequenceOf(ids.at(-1) ?? 0n)).toBe(2000)
  })

  it('are never negative, even by a clock before 2024', () => {
    const generator = new SnowflakeGenerator(1023)
    const ids = [generator.next(0), generator.next(EPOCH - 1), generator.next(-1)]
    expect(ids.every((id) => id >= 0n && snowflakeTime(id) === EPOCH)).toBe(true)
    expect(new Set(ids).size).toBe(3)
  })

  it('fit 63 bits up to the last millisecond of 41 bits', () => {
    const id = new SnowflakeGenerator(1023, { random: () => 2047 }).next(EPOCH + 2 ** 41 - 1)
    expect(id).toBeLessThan(2n ** 63n)
    expect(snowflakeTime(id)).toBe(Date.parse('2093-09-06T15:47:35.551Z'))
  })
})

describe('the sequence of a millisecond', () => {
  it('begins at a random value in 0…2047, which leaves half of it for counting', () => {
    const bounds: number[] = []
    const generator = new SnowflakeGenerator(0, { random: (bound) => bounds.push(bound) && bound - 1 })
    expect(sequenceOf(generator.next(NOW))).toBe(2047)
    expect(sequenceOf(generator.next(NOW))).toBe(2048)
    expect(sequenceOf(generator.next(NOW + 1))).toBe(2047)
    expect(bounds.slice(1)).toEqual([2048, 2048])
  })

  it('is spread over all of these', () => {
    const generator = new SnowflakeGenerator(0)
    const first = Array.from({ length: 2000 }, (_, i) => sequenceOf(generator.next(NOW + i)))
    expect(Math.max(...first)).toBeLessThan(2048)
    for (const quarter of [0, 1, 2, 3]) {
      const found = first.filter((sequence) => Math.floor(sequence / 512) === quarter)
      // 500 are expected; fewer than 300 or more than 700 are ten standard deviations away.
      expect(found.length).toBeGreaterThan(300)
      expect(found.length).toBeLessThan(700)
    }
  })
})

describe('the id of an event whose time is given', () => {
  it('has exactly that millisecond, and leaves the counting of the others alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: EPOCH, max: EPOCH + 2 ** 41 - 1 }), (given) => {
        const generator = new SnowflakeGenerator(5)
        const before = generator.next(NOW)
        const backdated = generator.at(given)
        expect(snowflakeTime(backdated)).toBe(given)
        expect(machineOf(backdated)).toBe(5)
        expect(generator.next(NOW)).toBe(before + 1n)
      }),
    )
  })

  it('is another one for each of 4,096 events of one millisecond', () => {
    const generator = new SnowflakeGenerator(5)
    const ids = Array.from({ length: 4096 }, () => generator.at(NOW))
    expect(new Set(ids).size).toBe(4096)
    // After the last sequence number comes the first, and no other millisecond or machine.
    expect(new Set(ids.map(snowflakeTime))).toEqual(new Set([NOW]))
    expect(new Set(ids.map(machineOf))).toEqual(new Set([5]))
  })
})

describe('a machine id', () => {
  it.each([-1, 1024, 1.5, Number.NaN, '1' as never])('%s is refused', (machine) => {
    expect(() => new SnowflakeGenerator(machine)).toThrow(AuditError)
    expect(() => new SnowflakeGenerator(machine)).toThrow('0 to 1023')
    expect(() => new SnowflakeGenerator(machine)).toThrow(expect.objectContaining({ field: 'machineId' }))
  })
})

describe('the ids of a millisecond', () => {
  it('are all those between its first and its last', () => {
    fc.assert(
      fc.property(fc.integer({ min: SNOWFLAKE_EPOCH_MS, max: SNOWFLAKE_LAST_MS - 1 }), (ms) => {
        expect(snowflakeTime(firstIdOf(ms))).toBe(ms)
        expect(firstIdOf(ms + 1)).toBe(lastIdOf(ms) + 1n)
        const id = new SnowflakeGenerator(1023).at(ms)
        expect(id >= firstIdOf(ms) && id <= lastIdOf(ms)).toBe(true)
      }),
    )
  })

  it('are within 63 bits, of whatever time', () => {
    expect(firstIdOf(Date.UTC(1970))).toBe(0n)
    expect(firstIdOf(SNOWFLAKE_EPOCH_MS)).toBe(0n)
    expect(lastIdOf(SNOWFLAKE_LAST_MS)).toBe(INT8_MAX)
    expect([firstIdOf(Date.UTC(3000)), lastIdOf(Date.UTC(3000))]).toEqual([INT8_MAX, INT8_MAX])
    expect([BigInt.asIntN(64, INT8_MIN), BigInt.asIntN(64, INT8_MAX)]).toEqual([INT8_MIN, INT8_MAX])
  })
})

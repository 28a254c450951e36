import { randomInt } from 'node:crypto'
import { expect, it } from 'vitest'
import { differential } from '../support/gateway/differential.js'

it('reads of mutated requests what protobufjs reads, or says that they are none; nothing else is thrown', () => {
  const seed = randomInt(2 ** 32)
  const tally = differential(3000, seed)
  expect(tally, `seed ${seed}`).toMatchObject({ differ: 0 })
  // Otherwise it would say nothing.
  expect(tally.both).toBeGreaterThan(300)
  expect(tally.neither).toBeGreaterThan(300)
})

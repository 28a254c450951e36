import { expect, test } from 'vitest'
import { contained } from '../../src/host/diagnostics.js'
import { invariant, moved, type Moves } from '../../src/host/invariant.js'
import { listening } from '../service/telemetry.js'

const MOVES: Moves<'off' | 'on' | 'broken'> = { off: ['on'], on: ['off', 'broken'], broken: [] }

test('an invariant that holds costs nothing, and one that does not says whose mistake it is', () => {
  invariant(true, 'never')
  expect(() => invariant(false, 'two and two make five')).toThrow(
    /^a bug in otel-audit, please report it: two and two make five$/,
  )
})

test('a machine moves as its table says, and not otherwise', () => {
  expect(moved('the lamp', MOVES, 'off', 'on')).toBe('on')
  expect(moved('the lamp', MOVES, 'on', 'broken')).toBe('broken')
  expect(() => moved('the lamp', MOVES, 'broken', 'on')).toThrow('the lamp went from broken to on')
  expect(() => moved('the lamp', MOVES, 'off', 'off')).toThrow('the lamp went from off to off')
})

test('what fails where nobody could catch it ends there, and is logged', () => {
  const said = listening()
  const isDone = contained('looking after the lamp', () => invariant(false, 'it is dark'))
  expect(isDone).toBe(false)
  expect(contained('looking after the lamp', () => {})).toBe(true)
  expect(said).toEqual([
    expect.stringMatching(/^error: otel-audit: looking after the lamp failed.*it is dark/s),
  ])
})

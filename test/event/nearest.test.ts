import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearest } from '../../src/event/nearest.js'

describe('the nearest known name', () => {
  const known = ['credential', 'operation', 'outcome', 'workerId', 'notes']

  it.each([
    ['workerID', 'workerId'],
    ['worker_id', 'workerId'],
    ['outcom', 'outcome'],
    ['note', 'notes'],
    ['crednetial', 'credential'],
    ['cred', 'credential'],
    ['operationName', 'operation'],
    ['somethingElse', undefined],
    ['', undefined],
  ])('to %s is %s', (word, found) => {
    expect(nearest(word, known)).toBe(found)
  })

  it('to a known one is that one', () => {
    fc.assert(fc.property(fc.constantFrom(...known), (word) => nearest(word, known) === word))
  })
})

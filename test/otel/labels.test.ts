import { describe, expect, it } from 'vitest'
import {
  LabelSet,
  MAX_OPERATION_LABELS,
  MAX_OUTCOME_LABELS,
  OPERATION_LABELS,
  OUTCOME_LABELS,
  operationLabels,
  outcomeLabels,
} from '../../src/otel/metrics.js'

describe('the values of a label', () => {
  it('are the known ones always, then the first that come, then other', () => {
    const labels = new LabelSet(['a', 'b'], 4)
    expect(['c', 'd', 'e', 'f'].map((value) => labels.label(value))).toEqual(['c', 'd', 'other', 'other'])
    expect(['a', 'b', 'c', 'd', 'e'].map((value) => labels.label(value))).toEqual([
      'a',
      'b',
      'c',
      'd',
      'other',
    ])
  })

  it.each([
    ['operations', operationLabels, OPERATION_LABELS, MAX_OPERATION_LABELS, 20],
    ['outcomes', outcomeLabels, OUTCOME_LABELS, MAX_OUTCOME_LABELS, 32],
  ] as const)('of %s have room for the closed set', (_, make, known, limit, documented) => {
    const labels = make()
    for (let i = 0; i < 100; i++) labels.label(`mine_${i}`)
    expect(known.map((value) => labels.label(value))).toEqual(known)
    expect(limit).toBe(documented)
    expect(limit - known.length).toBeGreaterThanOrEqual(8)
  })

  it('of one pipeline are not those of another', () => {
    const [one, other] = [operationLabels(), operationLabels()]
    for (let i = 0; i < 100; i++) one.label(`mine_${i}`)
    expect(other.label('mine_99')).toBe('mine_99')
  })
})

import { describe, expect, test } from 'vitest'
import { account } from '../../soak/retention/account.js'

const row = (id: bigint, original?: bigint) => ({ id, original })

describe('every event', () => {
  test('is there, in the trail or in an archive, under its own id or one of later', () => {
    const kept = { live: [row(3n), row(90n, 4n)], archived: [row(1n), row(2n)] }
    expect(account(kept, new Set([1n, 2n, 3n, 4n]))).toMatch(
      /^4 events, 2 rows in the archives and 2 in the trail; 0/,
    )
  })

  test('that is nowhere is lost, and named', () => {
    expect(() => account({ live: [row(1n)], archived: [] }, new Set([1n, 2n]))).toThrow(
      /1 of 2 events are lost: 2/,
    )
  })

  test('that is there twice is named, but where it was sent again after its month was archived', () => {
    const expected = new Set([1n])
    expect(() => account({ live: [row(1n), row(90n, 1n)], archived: [] }, expected)).toThrow(/twice: 1/)
    expect(() => account({ live: [], archived: [row(1n), row(1n)] }, expected)).toThrow(/twice: 1/)
    expect(account({ live: [row(90n, 1n)], archived: [row(1n)] }, expected)).toMatch(/1 of them in both/)
  })
})

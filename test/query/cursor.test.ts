import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Cursors, type Position } from '../../src/query/cursor.js'
import { parseFilter } from '../../src/query/filter.js'

const cursors = new Cursors(randomBytes(32))
const FILTER = parseFilter({ credential: 'orders-db', limit: 5 })
const refused = expect.objectContaining({ code: 'AUDIT_INVALID_QUERY', field: 'cursor' })

const int63 = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
const position: fc.Arbitrary<Position> = fc.record({
  auditId: int63,
  mark: fc.option(int63, { nil: undefined }),
  from: fc.option(fc.nat({ max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
  to: fc.option(fc.nat({ max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
})

describe('a cursor', () => {
  test('is read as it was written, on whatever page size', () => {
    fc.assert(
      fc.property(position, (at) => {
        const cursor = cursors.write(at, FILTER)
        expect(cursor).toMatch(/^[\w-]{87}$/)
        expect(cursors.read(cursor, FILTER)).toEqual(at)
        expect(cursors.read(cursor, parseFilter({ credential: 'orders-db', limit: 9, cursor }))).toEqual(at)
      }),
    )
  })

  test('is refused with any bit changed, cut or lengthened', () => {
    fc.assert(
      fc.property(
        position,
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        fc.nat({ max: 86 }),
        (at, byte, bit, length) => {
          const cursor = cursors.write(at, FILTER)
          const bytes = Buffer.from(cursor, 'base64url')
          const i = byte % bytes.length
          bytes[i] = (bytes[i] ?? 0) ^ (1 << bit)
          expect(() => cursors.read(bytes.toString('base64url'), FILTER)).toThrow(refused)
          expect(() => cursors.read(cursor.slice(0, length), FILTER)).toThrow(refused)
          expect(() => cursors.read(`${cursor}A`, FILTER)).toThrow(refused)
        },
      ),
    )
  })

  test('has one text only', () => {
    const cursor = cursors.write({ auditId: 1n, mark: undefined, from: undefined, to: undefined }, FILTER)
    expect(() => cursors.read(`${cursor}=`, FILTER)).toThrow(refused)
    expect(() => cursors.read(` ${cursor}`, FILTER)).toThrow(refused)
    expect(() => cursors.read(Buffer.from(cursor, 'base64url').toString('base64'), FILTER)).toThrow(refused)
  })

  test.each([['x'], [''], ['1; drop table'], ['A'.repeat(87)], ['\u0000']])('%j is none', (text) => {
    expect(() => cursors.read(text, FILTER)).toThrow(refused)
  })

  test('of another key is refused', () => {
    const at = { auditId: 1n, mark: undefined, from: undefined, to: undefined }
    const foreign = new Cursors(randomBytes(32)).write(at, FILTER)
    expect(() => cursors.read(foreign, FILTER)).toThrow('made by another server')
  })

  test('of another filter is refused', () => {
    const at = { auditId: 1n, mark: undefined, from: undefined, to: undefined }
    for (const other of [{}, { credential: 'orders-*' }, { credential: 'orders-db', settled: true }]) {
      const cursor = cursors.write(at, parseFilter(other))
      expect(() => cursors.read(cursor, FILTER)).toThrow('belongs to other filters')
    }
  })
})

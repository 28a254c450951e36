import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkedRowsOf } from '../../src/archive/checked-line.js'
import { linesOfTuples, RowLine, rowOfLine } from '../../src/archive/row-line.js'
import { eventDigest } from '../../src/event/digest.js'
import { buildEvent } from '../../src/event/event.js'
import { type AuditEvent, FIELDS } from '../../src/event/fields.js'
import { INT8_MAX, INT8_MIN } from '../../src/event/int8.js'
import type { CheckedRow } from '../../src/verify/source.js'
import { anyEvent } from '../event/arbitrary-event.js'

// Lines of rows are written and read byte by byte. What they say is held against what JSON and BigInt say.

const EPOCH_US = 946_684_800_000_000n

/** What stands in a row behind its event. */
interface Others {
  readonly digest: Uint8Array | null
  readonly chain: Uint8Array | null
  readonly block: bigint | null
  readonly index: number | null
  readonly xid: bigint
  /** µs since the year 2000. */
  readonly recordedAt: bigint
}

const int8 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt.asIntN(64, value))
  return bytes
}
const int4 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const field = (bytes: Uint8Array | null): Buffer =>
  bytes === null ? int4(-1) : Buffer.concat([int4(bytes.length), bytes])

/** A tuple as COPY's binary format has it. */
function tupleOf(event: AuditEvent, { digest, chain, block, index, xid, recordedAt }: Others): Buffer {
  const columns = FIELDS.map(({ name, kind }) => {
    const value = event[name]
    if (value === null) return null
    if (kind === 'int8') return int8(value as bigint)
    return kind === 'time' ? int8(BigInt(value) - EPOCH_US) : Buffer.from(value as string)
  })
  const rest = [
    digest,
    chain,
    block === null ? null : int8(block),
    index === null ? null : int4(index),
    int8(xid),
    int8(recordedAt),
  ]
  return Buffer.concat([...columns, ...rest].map(field))
}

/** What a line has to be. */
function lineOf(event: AuditEvent, { digest, chain, block, index, xid, recordedAt }: Others): string {
  const hex = (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : Buffer.from(bytes).toString('hex')
  const columns: [string, string | number | null][] = FIELDS.map(({ name, column }) => [
    column,
    event[name] === null ? null : String(event[name]),
  ])
  const rest: [string, string | number | null][] = [
    ['event_digest', hex(digest)],
    ['chain_id', hex(chain)],
    ['block_no', block === null ? null : String(block)],
    ['block_index', index],
    ['recorded_xid', String(xid)],
    ['recorded_at', String(recordedAt + EPOCH_US)],
  ]
  return JSON.stringify(Object.fromEntries([...columns, ...rest].filter(([, value]) => value !== null)))
}

const int8s = fc.oneof(
  fc.bigInt({ min: INT8_MIN, max: INT8_MAX }),
  fc.bigInt({ min: 0n, max: INT8_MAX }),
  fc.constantFrom(
    0n,
    1n,
    -1n,
    999_999_999n,
    10n ** 9n,
    10n ** 15n,
    10n ** 16n - 1n,
    2n ** 52n,
    2n ** 53n,
    10n ** 18n,
    INT8_MIN,
    INT8_MAX,
  ),
)
const others: fc.Arbitrary<Others> = fc.record({
  digest: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 })),
  chain: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 })),
  block: fc.option(int8s),
  index: fc.option(fc.integer({ min: -5, max: 2 ** 31 - 1 })),
  xid: int8s,
  recordedAt: fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 50n }),
    fc.constantFrom(INT8_MIN, INT8_MAX, -EPOCH_US, -EPOCH_US - 1n),
  ),
})
const row = fc
  .tuple(anyEvent, others, fc.boolean())
  .map(
    ([event, rest, isHonest]) => [event, isHonest ? { ...rest, digest: eventDigest(event) } : rest] as const,
  )

const checked = ({
  auditId,
  originalAuditId,
  computed,
  stored,
  chain,
  block,
  index,
}: CheckedRow): unknown => ({
  auditId,
  originalAuditId,
  computed: Buffer.from(computed).toString('hex'),
  stored: stored === null ? null : Buffer.from(stored).toString('hex'),
  chain,
  block,
  index,
})

test('a line has every column that is there, as JSON and in its exact digits, and the tuples of one reader do not mix', () => {
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
      const read = linesOfTuples()
      const lines = rows.map(([event, rest]) => {
        const bytes = Buffer.concat([Buffer.from('xx'), tupleOf(event, rest)])
        const line = read(bytes, 2)
        bytes.fill(0)
        return line
      })
      for (const [i, [event, rest]] of rows.entries()) {
        const line = lines[i] as RowLine
        expect(line.line.toString()).toBe(lineOf(event, rest))
        expect([line.auditId, line.credential, line.hasBlock]).toEqual([
          event.auditId,
          event.credential,
          rest.chain !== null,
        ])
        expect(line.occurredAt).toBe(BigInt(event.occurredAt))
      }
    }),
    { numRuns: 300 },
  )
})

test('a long line is whole: one that is longer than what is reserved at once', () => {
  const [event] = fc.sample(anyEvent, { numRuns: 1, seed: 1 })
  if (event === undefined) throw new Error('no event')
  const rest = { digest: null, chain: null, block: null, index: null, xid: 1n, recordedAt: 1n }
  const read = linesOfTuples()
  for (const length of [100, 300_000, 100, 2_000_000, 100]) {
    const long = { ...event, notes: '\u0001"é'.repeat(length) }
    expect(read(tupleOf(long, rest), 0).line.toString()).toBe(lineOf(long, rest))
    expect(checked(checkedRowsOf(Buffer.from(`${lineOf(long, rest)}\n`))[0] as CheckedRow)).toMatchObject({
      computed: eventDigest(long).toString('hex'),
    })
  }
})

describe('what is held against blocks', () => {
  test('is the same, read from bytes or from JSON', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
        const lines = rows.map(([event, rest]) => lineOf(event, rest))
        const text = Buffer.from(lines.map((line) => `${line}\n`).join(''))
        expect(checkedRowsOf(text).map(checked)).toEqual(lines.map(rowOfLine).map(checked))
        const [first] = checkedRowsOf(text)
        const [[event] = []] = rows
        expect(event && Buffer.from(first?.computed ?? []).equals(eventDigest(event))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('is read by bytes for what this library writes, and one digest is kept where both are the same', () => {
    const plain = buildEvent(
      {
        credential: 'orders-db/é',
        operation: 'get_credential',
        outcome: 'ok',
        executionId: 7n,
        notes: 'a "quote", a \\ and 😀',
        attributes: { a: 'b"c', d: 1 },
      },
      { auditId: 2n ** 60n, occurredAt: 1_790_000_000_000_000 },
    )
    const digest = eventDigest(plain)
    const line = lineOf(plain, {
      digest,
      chain: Buffer.alloc(16, 7),
      block: 3n,
      index: 0,
      xid: 5n,
      recordedAt: 1n,
    })
    const [read] = checkedRowsOf(Buffer.from(`${line}\n`))
    // That JSON makes two of them.
    expect(read?.stored).toBe(read?.computed)
    expect(read).toMatchObject({ chain: '07'.repeat(16), block: 3, index: 0 })
  })

  const LINE = lineOf(fc.sample(anyEvent, { numRuns: 1, seed: 3 })[0] as AuditEvent, {
    digest: Buffer.alloc(32, 1),
    chain: Buffer.alloc(16, 2),
    block: 1n,
    index: 2,
    xid: 3n,
    recordedAt: 4n,
  })

  test.each<[string, (line: string) => string]>([
    ['with spaces', (line) => line.replace('{', '{ ')],
    [
      'in another order',
      (line) => line.replace(/"block_no":"1","block_index":2/, '"block_index":2,"block_no":"1"'),
    ],
    ['with a column twice', (line) => line.replace('"block_no":"1"', '"block_no":"7","block_no":"1"')],
    [
      'with an index as a fraction of nothing',
      (line) => line.replace('"block_index":2', '"block_index":2.0'),
    ],
    [
      'with another escape',
      (line) => line.replace('"credential":"', '"credential":"\\u00e9\\/\\ud83d\\ude00'),
    ],
    ['with a digest that is shorter', (line) => line.replace('01'.repeat(32), '01'.repeat(16))],
    ['with a chain that is longer', (line) => line.replace('02'.repeat(16), '02'.repeat(32))],
    ['with a chain that is much shorter', (line) => line.replace('02'.repeat(16), '0202')],
  ])('is the same of a line %s', (_, change) => {
    const line = change(LINE)
    expect(line).not.toBe(LINE)
    expect(checkedRowsOf(Buffer.from(`${line}\n`)).map(checked)).toEqual([checked(rowOfLine(line))])
  })

  test.each<[string, (line: string) => string]>([
    ['a column that rows do not have', (line) => line.replace('{', '{"x":"1",')],
    ['an integer with a zero in front', (line) => line.replace('"block_no":"1"', '"block_no":"01"')],
    ['an integer that is not one', (line) => line.replace('"block_no":"1"', '"block_no":""')],
    [
      'an index that is too large',
      (line) => line.replace('"block_index":2', '"block_index":9007199254740993'),
    ],
    ['hex in capitals', (line) => line.replace('01'.repeat(32), 'AB'.repeat(32))],
    ['a control character', (line) => line.replace('"credential":"', '"credential":"\t')],
    ['an escape that is none', (line) => line.replace('"credential":"', '"credential":"\\x')],
    ['no transaction', (line) => line.replace('"recorded_xid":"3",', '')],
    ['no time', (line) => line.replace(/,"recorded_at":"\d+"/, '')],
    ['no credential', (line) => line.replace(/"credential":"(?:[^"\\]|\\.)*",/, '')],
    ['no end', (line) => line.slice(0, -1)],
    ['more behind its end', (line) => `${line}x`],
  ])('is refused of a line with %s', (_, change) => {
    const line = change(LINE)
    expect(line).not.toBe(LINE)
    expect(() => rowOfLine(line)).toThrow('not the line of a row')
    expect(() => checkedRowsOf(Buffer.from(`${line}\n`))).toThrow('not the line of a row')
  })
})

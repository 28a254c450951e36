import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Comparison, type ComparisonOptions, type Reconciliation } from '../../src/reconcile/comparison.js'
import type { ProviderAccess } from '../../src/reconcile/provider-access.js'
import type { RecordedAccess } from '../../src/reconcile/recorded-access.js'

const NOON = Date.UTC(2026, 10, 29, 12) * 1000
const SECOND = 1_000_000

let made = 0
const anAccess = (changes: Partial<ProviderAccess> = {}): ProviderAccess => ({
  log: 'vault',
  time: NOON,
  requestId: `r${++made}`,
  credential: 'secret/orders-db',
  namespace: '',
  api: 'read secret/data/orders-db',
  identity: 'orders',
  result: 'released',
  ...changes,
})
const aRow = (changes: Partial<RecordedAccess> = {}): RecordedAccess => ({
  log: 'vault',
  auditId: String(++made),
  time: NOON,
  credential: 'secret/orders-db',
  names: [changes.credential ?? 'secret/orders-db'],
  namespace: '',
  requestId: undefined,
  isBatch: false,
  needsNoEntry: false,
  operation: 'get_credential',
  outcome: 'ok',
  service: 'orders',
  ...changes,
})

/** Rows come as they are read: the newest first. */
function compare(
  accesses: readonly ProviderAccess[],
  rows: readonly RecordedAccess[],
  options: ComparisonOptions = {},
): Reconciliation {
  const comparison = new Comparison(['vault', 'cloudtrail'], {
    from: NOON - 60 * SECOND,
    to: NOON + 60 * SECOND,
    ...options,
  })
  for (const access of accesses) comparison.addEntry(access.log, { time: access.time, accesses: [access] })
  for (const row of [...rows].sort((a, b) => b.time - a.time)) comparison.addRow(row)
  return comparison.end()
}

describe('a log and the trail', () => {
  it('have an access both, by its request id, whatever the clocks say', () => {
    const { both, onlyProvided, onlyRecorded } = compare(
      [anAccess({ requestId: 'a' })],
      [aRow({ requestId: 'a', time: NOON + 40 * SECOND, credential: 'another name' })],
    )
    expect(both).toEqual({ byRequestId: 1, byPathAndTime: 0 })
    expect([...onlyProvided, ...onlyRecorded]).toEqual([])
  })

  it('have each what the other has not', () => {
    const { both, onlyProvided, onlyRecorded } = compare(
      [anAccess({ requestId: 'a' }), anAccess({ requestId: 'b' })],
      [aRow({ requestId: 'b' }), aRow({ requestId: 'c' })],
    )
    expect(both.byRequestId).toBe(1)
    expect(onlyProvided).toMatchObject([{ requestId: 'a' }])
    expect(onlyRecorded).toMatchObject([{ requestId: 'c' }])
  })

  it('have the same id in the logs of two providers as two accesses', () => {
    const { onlyProvided } = compare(
      [anAccess({ requestId: 'a' }), anAccess({ requestId: 'a', log: 'cloudtrail' })],
      [aRow({ requestId: 'a' })],
    )
    expect(onlyProvided).toMatchObject([{ log: 'cloudtrail' }])
  })

  it('have an access once that is in two files', () => {
    const access = anAccess({ requestId: 'a' })
    const { logs, both } = compare([access, access], [aRow({ requestId: 'a' })])
    expect(both.byRequestId).toBe(1)
    expect(logs[0]).toMatchObject({ accesses: 1, repeatedEntries: 1 })
  })
})

describe('a row without a request id', () => {
  it('is matched by path and time, to within a second', () => {
    const near = compare([anAccess({ time: NOON - SECOND })], [aRow()])
    expect(near.both).toEqual({ byRequestId: 0, byPathAndTime: 1 })
    const far = compare([anAccess({ time: NOON - SECOND - 2 })], [aRow()])
    expect(far.both.byPathAndTime).toBe(0)
    expect([far.onlyProvided.length, far.onlyRecorded.length]).toEqual([1, 1])
  })

  it('is not matched with another path, or the same one of another namespace', () => {
    expect(compare([anAccess({ credential: 'secret/other' })], [aRow()]).onlyRecorded).toHaveLength(1)
    expect(compare([anAccess({ namespace: 'team' })], [aRow()]).onlyRecorded).toHaveLength(1)
    expect(compare([anAccess({ namespace: 'team' })], [aRow({ namespace: 'team' })]).onlyRecorded).toEqual([])
  })

  it('leaves an access to the row that has its id', () => {
    const { both, onlyRecorded } = compare(
      [anAccess({ requestId: 'a' })],
      [aRow({ time: NOON + 10 }), aRow({ requestId: 'a' })],
    )
    expect(both).toEqual({ byRequestId: 1, byPathAndTime: 0 })
    expect(onlyRecorded).toHaveLength(1)
  })

  it('is one of as many as there can be', () => {
    const times = fc.array(fc.integer({ min: 0, max: 5 * SECOND }), { maxLength: 12 })
    fc.assert(
      fc.property(times, times, (provided, recorded) => {
        const { both, onlyProvided, onlyRecorded } = compare(
          provided.map((time) => anAccess({ time: NOON + time })),
          recorded.map((time) => aRow({ time: NOON + time })),
        )
        expect(both.byPathAndTime).toBe(mostPairs(provided, recorded))
        expect(onlyProvided).toHaveLength(provided.length - both.byPathAndTime)
        expect(onlyRecorded).toHaveLength(recorded.length - both.byPathAndTime)
      }),
    )
  })
})

/** By augmenting paths, which takes no order for granted. */
function mostPairs(provided: readonly number[], recorded: readonly number[]): number {
  const of = new Map<number, number>()
  const isNear = (row: number, access: number): boolean =>
    access >= row - SECOND - 1 && access <= row + SECOND
  const find = (r: number, seen: Set<number>): boolean =>
    provided.some((access, a) => {
      if (seen.has(a) || !isNear(recorded[r] ?? 0, access)) return false
      seen.add(a)
      const other = of.get(a)
      if (other !== undefined && !find(other, seen)) return false
      of.set(a, r)
      return true
    })
  return recorded.filter((_, r) => find(r, new Set())).length
}

describe('a request for several', () => {
  const log = 'cloudtrail'

  it('has a row for each that it names: one that is missing is named', () => {
    const asked = ['a', 'b', 'c'].map((credential) =>
      anAccess({ log, requestId: 'r', api: 'GetParameters', credential }),
    )
    const { onlyProvided, both } = compare(
      asked,
      ['c', 'a'].map((credential) => aRow({ log, requestId: 'r', credential, names: [credential] })),
    )
    expect(both.byRequestId).toBe(2)
    expect(onlyProvided).toMatchObject([{ credential: 'b' }])
  })

  it('by a filter has any number of rows', () => {
    const { onlyProvided, onlyRecorded } = compare(
      [anAccess({ log, requestId: 'r', credential: 'orders/*' })],
      ['orders/a', 'orders/b'].map((credential) =>
        aRow({ log, requestId: 'r', credential, names: [credential] }),
      ),
    )
    expect([...onlyProvided, ...onlyRecorded]).toEqual([])
  })

  it('that CloudTrail also has one by one is matched by name and time', () => {
    const { both, onlyProvided, onlyRecorded } = compare(
      [
        anAccess({ log, requestId: 'batch', api: 'BatchGetSecretValue', credential: 'a' }),
        anAccess({
          log,
          requestId: 'other',
          api: 'GetSecretValue',
          credential: 'arn:aws:secretsmanager:r:1:secret:a-AbCdEf',
        }),
      ],
      [aRow({ log, requestId: 'batch', isBatch: true, credential: 'a', names: ['a'] })],
    )
    expect(both).toEqual({ byRequestId: 1, byPathAndTime: 1 })
    expect([...onlyProvided, ...onlyRecorded]).toEqual([])
  })
})

describe('not a finding', () => {
  it('is a row of a request that got no answer, unless the log has it', () => {
    const { onlyRecorded, expected, both } = compare(
      [anAccess({ requestId: 'a' })],
      [aRow({ needsNoEntry: true, requestId: 'a' }), aRow({ needsNoEntry: true, time: NOON + 5 * SECOND })],
    )
    expect(onlyRecorded).toEqual([])
    expect(expected.unseen).toBe(1)
    expect(both.byRequestId).toBe(1)
  })

  it('is an attempt that the provider failed, since the client repeats it; a denial is one', () => {
    const { onlyProvided, expected } = compare(
      [anAccess({ result: 'repeated' }), anAccess({ result: 'refused' })],
      [],
    )
    expect(onlyProvided).toMatchObject([{ result: 'refused' }])
    expect(expected.repeatedAttempts).toBe(1)
  })

  it('is a request that was no secret, whether a row takes it for one or not', () => {
    const asked = { result: 'public', credential: 'db/roles/orders' } as const
    const { onlyProvided, onlyRecorded, both, logs } = compare(
      [anAccess({ ...asked, requestId: 'a' }), anAccess({ ...asked, requestId: 'b' })],
      [aRow({ requestId: 'a', credential: 'db/roles/orders' })],
    )
    expect([...onlyProvided, ...onlyRecorded]).toEqual([])
    expect([both.byRequestId, logs[0]?.accesses]).toEqual([1, 1])
  })

  it('is an access of an identity that was not asked for', () => {
    const isExpected = (identity: string) => identity === 'orders'
    const accesses = [anAccess({ identity: 'jane' }), anAccess()]
    const { onlyProvided, expected } = compare(accesses, [], { isExpected })
    expect(onlyProvided).toMatchObject([{ identity: 'orders' }])
    expect(expected.ofOthers).toBe(1)
  })

  it('is what is outside of the window, on which side ever', () => {
    const options = { from: NOON, to: NOON + SECOND }
    const { onlyProvided, onlyRecorded, rows } = compare(
      [
        anAccess({ time: NOON - 1 }),
        anAccess({ time: NOON + SECOND }),
        anAccess({ requestId: 'a', time: NOON + SECOND }),
      ],
      [
        aRow({ requestId: 'x', time: NOON - 1 }),
        aRow({ requestId: 'y', time: NOON + SECOND }),
        aRow({ requestId: 'a' }),
      ],
      options,
    )
    expect([...onlyProvided, ...onlyRecorded]).toEqual([])
    expect(rows).toBe(1)
  })

  it('is a row about a provider whose log was not given', () => {
    const comparison = new Comparison(['vault'])
    comparison.addEntry('vault', { time: NOON, accesses: [] })
    comparison.addRow(aRow({ log: 'cloudtrail', requestId: 'a' }))
    expect(comparison.end()).toMatchObject({ rows: 0, onlyRecorded: [] })
  })
})

it('without a window is of the time that each log covers', () => {
  const comparison = new Comparison(['vault'])
  expect(comparison.rowWindow()).toBeUndefined()
  for (const time of [NOON + SECOND, NOON]) comparison.addEntry('vault', { time, accesses: [] })
  for (const time of [NOON - 1, NOON, NOON + SECOND, NOON + SECOND + 1]) {
    comparison.addRow(aRow({ requestId: String(time), time }))
  }
  expect(comparison.end().onlyRecorded.map(({ time }) => time)).toEqual([NOON, NOON + SECOND])
  expect(comparison.rowWindow()).toMatchObject({ from: NOON - 300 * SECOND })
})

it('counts the rows about the accesses of a window, also those that were made just after it', () => {
  const accesses = [anAccess({ requestId: 'a' }), anAccess({ time: NOON })]
  const comparison = new Comparison(['vault'])
  for (const access of accesses) comparison.addEntry('vault', { time: access.time, accesses: [access] })
  comparison.addRow(aRow({ requestId: 'a', time: NOON + 1000 }))
  comparison.addRow(aRow({ time: NOON + 2000 }))
  comparison.addRow(aRow({ requestId: 'of-later', time: NOON + 3000 }))
  expect(comparison.end()).toMatchObject({
    rows: 2,
    both: { byRequestId: 1, byPathAndTime: 1 },
    onlyRecorded: [],
  })
})

it('holds a million, and says what to do about more', () => {
  const comparison = new Comparison(['vault'], { from: NOON, to: NOON + SECOND })
  const row = aRow()
  for (let i = 0; i < 1_000_000; i++) comparison.addRow(row)
  const problem = {
    code: 'AUDIT_INVALID_QUERY',
    message: expect.stringContaining('--from and --to') as string,
  }
  expect(() => comparison.addRow(row)).toThrow(expect.objectContaining(problem))
})

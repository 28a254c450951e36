import { describe, expect, test } from 'vitest'
import type { AuditFields, EventIdentity } from '../../../src/event/event.js'
import { coverageRow, gapFields, lifecycleRow, readingFields } from '../../../src/event/self-rows.js'
import { type AccessReview, ReviewTally } from '../../../src/query/review/access-review.js'
import { CoverageTally } from '../../../src/query/review/coverage-tally.js'
import { reviewCsv } from '../../../src/query/review/review-csv.js'
import type { ReviewManifest } from '../../../src/query/review/review-manifest.js'
import { reviewPage } from '../../../src/query/review/review-page.js'
import { anEvent } from '../../support/events.js'

const DAY = 86_400_000
const FROM = Date.UTC(2026, 6, 1)
const WINDOW = { label: '2026Q3', from: FROM * 1000, to: Date.UTC(2026, 9, 1) * 1000 }

/** An event on a day of the window; below 0 before it. */
const on = (day: number, fields: Partial<AuditFields>, identity: Partial<EventIdentity> = {}) =>
  anEvent(fields, { occurredAt: (FROM + day * DAY) * 1000, serviceName: 'orders', ...identity })

function reviewOf(...events: readonly ReturnType<typeof on>[]): AccessReview {
  const tally = new ReviewTally(WINDOW)
  for (const event of events) tally.add(event)
  return tally.review()
}

describe('an access review', () => {
  test('counts per credential and actor: how often, first and last, denied', () => {
    const { pairs, ...totals } = reviewOf(
      on(3, { credential: 'a', actorId: 'jane' }),
      on(1, { credential: 'a', actorId: 'jane', outcome: 'access_denied' }),
      on(9, { credential: 'a', actorId: 'jane', outcome: 'requested' }),
      on(2, { credential: 'a', workerId: 'w1' }),
      on(2, { credential: 'a' }),
      on(2, { credential: 'b' }, { serviceName: undefined }),
    )
    expect(pairs).toHaveLength(4)
    expect(pairs[0]).toEqual({
      credential: 'a',
      actor: 'jane',
      actor_kind: 'actor',
      standing: 'first seen',
      credential_standing: 'first seen',
      accesses: 3,
      denied: 1,
      first_access: '2026-07-02T00:00:00.000000Z',
      last_access: '2026-07-10T00:00:00.000000Z',
      last_before: null,
    })
    expect(
      pairs.slice(1).map(({ credential, actor, actor_kind }) => [credential, actor, actor_kind]),
    ).toEqual([
      ['a', 'orders', 'service'],
      ['a', 'w1', 'worker'],
      ['b', null, 'unknown'],
    ])
    expect(totals).toMatchObject({
      accesses: 6,
      denied: 1,
      credentials: { accessed: 2, first_seen: 2, dormant: 0 },
    })
  })

  test('tells who was seen for the first time, and what nobody has accessed any more', () => {
    const { pairs, credentials, known_from } = reviewOf(
      on(-10, { credential: 'a', actorId: 'jane' }),
      on(-90, { credential: 'a', actorId: 'jane' }),
      on(5, { credential: 'a', actorId: 'jane' }),
      on(-5, { credential: 'a', actorId: 'left' }),
      on(6, { credential: 'a', actorId: 'new' }),
      on(-5, { credential: 'old', actorId: 'jane' }),
      on(7, { credential: 'fresh', actorId: 'jane' }),
    )
    expect(Object.fromEntries(pairs.map((one) => [`${one.credential} ${one.actor}`, one.standing]))).toEqual({
      'a jane': 'known',
      'a left': 'dormant',
      'a new': 'first seen',
      'fresh jane': 'first seen',
      'old jane': 'dormant',
    })
    expect(pairs[0]?.last_before).toBe('2026-06-21T00:00:00.000000Z')
    expect(pairs.find(({ actor }) => actor === 'new')?.credential_standing).toBe('known')
    expect(credentials).toEqual({ accessed: 2, first_seen: 1, dormant: 1 })
    expect(known_from).toBe('2026-04-02T00:00:00.000000Z')
  })

  test('takes the first moment of the window, and neither the first after it nor what the trail says about itself', () => {
    const own = { actorId: 'auditor', actorType: 'user' } as const
    const { pairs, accesses, lost } = reviewOf(
      on(0, { credential: 'a' }),
      on(92, { credential: 'a' }),
      on(1, readingFields(own, { what: 'rows', via: 'cli', filter: '{}' }, 'ok')),
      on(1, lifecycleRow('started', {})),
      on(
        1,
        coverageRow({
          client: 'node-vault',
          state: 'hooked',
          hook: 'read',
          reason: undefined,
          node: 'v24',
          since: '',
        }),
      ),
      on(1, gapFields('queue_full', { count: 132, first: 1n, last: 2n })),
      on(-1, gapFields('queue_full', { count: 7, first: 1n, last: 2n })),
      on(1, { ...gapFields('queue_full', { count: 1, first: 1n, last: 2n }), attributes: { count: 'many' } }),
    )
    expect([pairs.length, accesses, lost]).toEqual([1, 1, 132])
  })

  test('holds a limited number of pairs', () => {
    const tally = new ReviewTally(WINDOW, 2)
    tally.add(on(1, { credential: 'a' }))
    tally.add(on(1, { credential: 'b' }))
    tally.add(on(2, { credential: 'b' }))
    expect(() => tally.add(on(1, { credential: 'c' }))).toThrow(
      expect.objectContaining({ code: 'AUDIT_INVALID_QUERY', field: 'credential' }),
    )
  })
})

describe('coverage in a window', () => {
  const stated = (
    day: number,
    state: 'hooked' | 'not_hooked' | 'observed',
    instance: string,
    reason?: string,
  ) =>
    on(
      day,
      coverageRow({ client: 'node-vault@0.10.2', state, hook: undefined, reason, node: 'v24', since: '' }),
      {
        serviceInstanceId: instance,
      },
    )

  test('is what processes said within it, or the day before; what is not covered comes first', () => {
    const tally = new CoverageTally(WINDOW)
    for (const event of [
      stated(-2, 'observed', 'i-0'),
      stated(-1, 'hooked', 'i-1'),
      stated(5, 'hooked', 'i-2'),
      stated(6, 'not_hooked', 'i-2', 'its probe did not come back'),
      stated(92, 'observed', 'i-1'),
      on(1, { credential: 'a' }),
    ]) {
      tally.add(event)
    }
    expect(tally.stated()).toMatchObject([
      {
        client: 'node-vault@0.10.2',
        state: 'not_hooked',
        reason: 'its probe did not come back',
        processes: 1,
      },
      { state: 'hooked', reason: null, processes: 2, first_stated: '2026-06-30T00:00:00.000000Z' },
    ])
  })
})

describe('a review as a file', () => {
  const hostile = "=cmd|' /C calc'!A0\"><script>alert(1)</script>\u202e"
  const { pairs, ...totals } = reviewOf(
    on(1, { credential: hostile, actorId: '@SUM(1)', outcome: 'access_denied' }),
    on(-5, { credential: 'old', workerId: '+1' }),
  )
  const manifest: ReviewManifest = {
    format: 'otel-audit/review/v1',
    version: '0',
    label: '2026Q3',
    from: '2026-07-01T00:00:00.000000Z',
    to: '2026-10-01T00:00:00.000000Z',
    credential: 'a<b*',
    made_at: '2026-10-02T00:00:00.000000Z',
    made_by: '<jane>',
    trail: 'ab'.repeat(16),
    mark: '1175',
    system: null,
    table: '5.6',
    archive: null,
    retired_before: null,
    rows_read: 2,
    unsettled: 3,
    verification: {
      result: 'findings',
      findings: { 'row-changed': 2 },
      chains: 1,
      unenrolled: 1,
      blocks: 1,
      rows: { proven: 0, unsigned: 2, retired: 0, partly: 0, kept: 0 },
      trust_sha256: null,
    },
    coverage: [
      {
        service_name: null,
        client: 'node-vault',
        state: 'not_hooked',
        reason: '<b>gone</b>',
        processes: 1,
        first_stated: '2026-07-01T00:00:00.000000Z',
        last_stated: '2026-07-02T00:00:00.000000Z',
      },
    ],
    totals: { ...totals, lost: 4, pairs: pairs.length },
    files: [{ name: 'review.csv', bytes: 1, sha256: 'cd'.repeat(32) }],
  }

  test('in CSV nothing is executed, and every pair is a line', () => {
    const lines = reviewCsv(pairs).split('\r\n')
    expect(lines[0]).toBe(
      'credential,actor,actor_kind,standing,credential_standing,accesses,denied,first_access,last_access,last_before',
    )
    expect(lines).toHaveLength(4)
    expect(lines[1]).toMatch(/^"'=cmd/)
    expect(lines[1]).toContain(`"'@SUM(1)"`)
    expect(lines[2]).toContain(`"'+1"`)
    expect(lines.join('')).not.toContain('\u202e')
  })

  test('as a page no text of a row is markup, and nothing is fetched or run', () => {
    const page = reviewPage(manifest, pairs)
    expect(page).not.toContain('<script')
    expect(page).not.toContain('<b>')
    expect(page).not.toContain('<jane>')
    expect(page).not.toContain('\u202e')
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;\\u202e')
    expect(page).not.toMatch(/\b(src|href|url)\s*[=(]/)
    expect(page).toMatch(/default-src 'none'; style-src 'sha256-[\w+/]+=*'/)
  })

  test('it says first what is wrong, and what it rests on', () => {
    const page = reviewPage(manifest, pairs)
    const warnings = [...page.matchAll(/<p class="warn">(.*?)<\/p>/g)].map(([, text]) => text)
    expect(warnings).toEqual([
      expect.stringContaining('does not verify: 2 row-changed'),
      expect.stringContaining('4 accesses of this window are known to have no row'),
      expect.stringContaining('1 secret client is not fully covered'),
      expect.stringContaining('3 rows are not settled'),
    ])
    expect(page).toContain('cd'.repeat(32))
    expect(page).toContain('none was given')
    const fine = { ...manifest, coverage: [], unsettled: 0, totals: { ...manifest.totals, lost: 0 } }
    const verification = {
      ...manifest.verification,
      result: 'nothing found',
      trust_sha256: 'ef'.repeat(32),
    } as const
    const quiet = reviewPage({ ...fine, credential: '*', verification }, [])
    expect(quiet).not.toContain('class="warn"')
    expect(quiet).toContain('No process said how its secret clients are audited')
    expect(quiet).toContain('ef'.repeat(32))
  })

  test('a page shows so many rows as can be printed, and says how many more there are', () => {
    const [pair] = pairs
    if (pair === undefined) throw new Error('there is a pair')
    const [coverage] = manifest.coverage
    if (coverage === undefined) throw new Error('there is coverage')
    const many = { ...manifest, coverage: Array.from({ length: 2100 }, () => coverage) }
    const page = reviewPage(
      many,
      Array.from({ length: 2500 }, () => pair),
    )
    expect(page).toContain('… and 500 more, in the CSV.')
    expect(page).toContain('… and 100 more, in the manifest.')
  })
})

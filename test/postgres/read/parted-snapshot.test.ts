import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateNoteKey } from '../../../src/chain/note-key.js'
import { PostgresAuditSink } from '../../../src/postgres/write/sink.js'
import { PartedSnapshot } from '../../../src/postgres/read/parted-snapshot.js'
import { Anchors } from '../../../src/verify/anchors.js'
import type { Finding } from '../../../src/verify/finding.js'
import { type IncrementalReport, verifyOnwards } from '../../../src/verify/state/incremental.js'
import { sumKeyOf, verifierKeyName } from '../../../src/verify/state/verifier-key.js'
import type { VerifyState } from '../../../src/verify/state/verify-state.js'
import { NO_TRUST } from '../../../src/verify/trust.js'
import { OldTrail } from '../../archive/old-trail.js'
import { batchOf } from '../../support/events.js'

const LOG = 'otel-audit/wallet'
const DAY = 86_400_000
const KEY = generateNoteKey(verifierKeyName(LOG))

let trail: OldTrail
let state: VerifyState | undefined
const now = Date.now()

beforeAll(async () => {
  trail = await OldTrail.create(3)
  for (let month = 0; month < 3; month++) {
    for (let day = 0; day < 28; day += 3) {
      const events = [1, 2, 3].map((second) => trail.event(month, day * 86_400 + second))
      await trail.write(...events)
    }
  }
})

afterAll(() => trail.drop())

async function run(at: number): Promise<IncrementalReport & { readonly found: readonly Finding[] }> {
  const snapshot = await PartedSnapshot.open({ databaseUrl: trail.database.url, schema: 'noetl' })
  const found: Finding[] = []
  try {
    const { report, next } = await verifyOnwards(snapshot, {
      trust: { ...NO_TRUST, unsigned: 'none' },
      anchors: new Anchors(),
      onFinding: (finding) => found.push(finding),
      state,
      log: LOG,
      before: undefined,
      sumKey: sumKeyOf(KEY.signer, await snapshot.trail()),
      now: at,
      fullEveryMs: 30 * DAY,
    })
    state = next
    return { ...report, found }
  } finally {
    await snapshot.close()
  }
}

test('a trail in Postgres: all of it, what is new, a share, and a row that is altered in an old month', async () => {
  const all = await run(now)
  expect(all.found).toEqual([])
  expect(all.rows.proven).toBe(90)

  const second = new PostgresAuditSink({ databaseUrl: trail.database.url, origin: LOG })
  expect(await second.write(batchOf(trail.event(3, 1), trail.event(3, 5)))).toMatchObject({
    status: 'committed',
  })
  await trail.write(trail.event(3, 2), trail.event(3, 4))
  await second.close()
  const next = await run(now + DAY)
  expect(next.found).toEqual([])
  expect(next.incremental).toMatchObject({ full: false, new: { chains: 1, rows: 4 } })
  expect(next.chains.map(({ end }) => end).toSorted()).toEqual(['closed', 'open'])

  await trail.owner.query('alter table noetl.secret_audit disable trigger user')
  await trail.owner.query(
    `update noetl.secret_audit set notes = 'other' where audit_id = (
       select audit_id from noetl.secret_audit order by audit_id offset 45 limit 1)`,
  )
  let day = 1
  while (day <= 30 && (await run(now + ++day * DAY)).found.length === 0);
  expect(day).toBeGreaterThan(2)
  expect(day).toBeLessThanOrEqual(30)
  expect((await run(now + (day + 1) * DAY)).found).toMatchObject([{ code: 'row-changed' }])
})

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { PartedSnapshot } from '../../src/postgres/read/parted-snapshot.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { Anchors } from '../../src/verify/anchors.js'
import type { Finding } from '../../src/verify/finding.js'
import { type IncrementalReport, verifyOnwards } from '../../src/verify/state/incremental.js'
import { sumKeyOf, verifierKeyName } from '../../src/verify/state/verifier-key.js'
import type { VerifyState } from '../../src/verify/state/verify-state.js'
import { unguard } from '../cli/honest-trail.js'
import { batchOf } from '../support/events.js'
import { OldTrail } from './old-trail.js'

// Verifying goes on from a state, while months are retired, and their blocks with them.

const LOG = 'otel-audit/wallet'
const DAY = 86_400_000
const KEY = generateNoteKey(verifierKeyName(LOG))
const NOW = Date.now()

let trail: OldTrail
let state: VerifyState | undefined
/** A chain that lived in the first month alone. */
let closed: string

beforeEach(async () => {
  state = undefined
  trail = await OldTrail.create(4)
  const short = new PostgresAuditSink({ databaseUrl: trail.database.url, origin: LOG })
  for (const second of [1, 2, 3, 4]) await short.write(batchOf(trail.event(0, second)))
  await short.close()
  const { rows } = await trail.owner.query<{ chain: string }>(
    `select replace(chain_id::text, '-', '') as chain from noetl.secret_audit_block limit 1`,
  )
  closed = rows[0]?.chain ?? ''
  for (let second = 100; second < 110; second++) await trail.write(trail.event(0, second))
})

afterEach(() => trail.drop())

async function run(
  day: number,
  anchors = new Anchors(),
): Promise<IncrementalReport & { readonly found: readonly Finding[] }> {
  const snapshot = await PartedSnapshot.open({ databaseUrl: trail.database.url, schema: 'noetl' })
  const found: Finding[] = []
  try {
    const { report, next } = await verifyOnwards(snapshot, {
      trust: trail.trust,
      anchors,
      onFinding: (finding) => found.push(finding),
      state,
      log: LOG,
      before: undefined,
      sumKey: sumKeyOf(KEY.signer, await snapshot.trail()),
      now: NOW + day * DAY,
      fullEveryMs: 30 * DAY,
    })
    state = next
    return { ...report, found }
  } finally {
    await snapshot.close()
  }
}

async function retire(month: number): Promise<void> {
  await trail.archive(month)
  await trail.retire(month)
}

describe('from a state of before the retirement', () => {
  test.each([1, 14, 31])('nothing is found, %s days later and from then on', async (days) => {
    // The last block that is known is among those that are retired then.
    expect((await run(0)).found).toEqual([])
    await trail.fill()
    await retire(2)
    const report = await run(days)
    expect([report.found, report.starts.size]).toEqual([[], 2])
    for (const later of [1, 16, 31, 62]) expect((await run(days + later)).found).toEqual([])
  })

  test('and of in between, when the next month goes', async () => {
    await trail.fill()
    await run(0)
    await retire(1)
    expect((await run(10)).found).toEqual([])
    await retire(3)
    await trail.write(trail.event(3, 700))
    for (const day of [20, 25, 31, 45, 62]) expect((await run(day)).found).toEqual([])
  })

  test('what an anchor says of a retired block is retired, and not missing', async () => {
    await trail.fill()
    await run(0)
    await retire(2)
    const anchors = new Anchors()
    anchors.add({ log: undefined, chain: closed, block: 2, hash: undefined })
    const { found, anchors: coverage } = await run(1, anchors)
    expect([found, coverage]).toEqual([[], { given: 1, held: 0, retired: 1, foreign: 0 }])
  })
})

describe('it finds', () => {
  beforeEach(async () => {
    await trail.fill()
    await run(0)
    await retire(2)
    expect((await run(1)).found).toEqual([])
    await unguard(trail.owner)
  })

  test('a chain that begins after retired blocks and is gone', async () => {
    await trail.owner.query('delete from noetl.secret_audit_block where chain_id = $1', [closed])
    expect((await run(2)).found.map(({ code }) => code)).toContain('head-missing')
  })

  test('a start that was altered', async () => {
    await trail.owner.query('update noetl.secret_audit_chain_start set lost_total = 1')
    expect((await run(2)).found.map(({ code }) => code)).toContain('start-altered')
  })
})

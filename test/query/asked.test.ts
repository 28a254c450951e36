import { PostgresAuditSink } from 'otel-audit'
import type { TrailFilter } from 'otel-audit/query'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditEvent, AuditFields } from '../../src/event/event.js'
import { lifecycleRow, readingFields } from '../../src/event/self-rows.js'
import { Operation, Outcome } from '../../src/event/vocabulary.js'
import { parseFilter } from '../../src/query/filter.js'
import { matches } from '../../src/query/matches.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { scan, trailAt } from './trail-at.js'

const NOW = Date.now()
const of = <T>(list: readonly T[], i: number): T => list[i % list.length] as T

/** The periods are prime to each other, so that every combination is there. */
function ordinary(i: number): AuditEvent {
  const fields: Partial<AuditFields> = {
    credential: of(['orders-db', 'orders-api', 'billing', 'a,b', '!a', 'star*', 'back\\'], i),
    operation: of(['get_credential', 'get_sealed'], i),
    outcome: of(['ok', 'ok', 'access_denied', 'no_pubkey', 'started'], i) as Outcome,
    workerId: of(['w1', 'w2', undefined], i),
    actorId: of(['cn=jane, ou=a', 'joe', undefined, 'jim'], i),
    actorType: of(['user', 'service', undefined], i),
    executionId: of([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n], i),
  }
  const occurredAt = (NOW - i * 47 * 60_000) * 1000
  return anEvent(fields, {
    occurredAt,
    serviceName: of(['orders', 'billing'], i),
    serviceInstanceId: `i${i % 3}`,
  })
}

const READER = { actorId: 'auditor', actorType: 'user' } as const
const EVENTS: readonly AuditEvent[] = [
  ...Array.from({ length: 400 }, (_, i) => ordinary(i)),
  anEvent({ ...lifecycleRow(Outcome.Started, {}), executionId: undefined }),
  anEvent({
    ...readingFields(READER, { what: 'rows', via: 'cli', filter: '{}' }, Outcome.Ok),
    executionId: undefined,
  }),
  anEvent({
    credential: 'secret_audit',
    operation: Operation.AuditGap,
    outcome: Outcome.Lost,
    attributes: { count: 3 },
  }),
]

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  await sink.write(batchOf(...EVENTS))
  await sink.close()
})

afterAll(() => database.drop())

describe('is answered with what it asks for', () => {
  test.each<[TrailFilter, number | undefined]>([
    [{ credential: 'orders-db,billing' }, undefined],
    [{ credential: 'orders-*,billing,orders-db' }, undefined],
    [{ credential: '!orders-*' }, undefined],
    [{ credential: 'orders-*,!orders-api' }, undefined],
    [{ credential: 'a\\,b,\\!a' }, undefined],
    [{ credential: 'star\\*' }, undefined],
    [{ credential: 'back\\\\,billing' }, undefined],
    [{ credential: '!*' }, 0],
    [{ outcome: 'access_denied,no_pubkey' }, undefined],
    [{ outcome: 'not-ok,ok' }, undefined],
    [{ outcome: 'not-ok,!no_pubkey' }, undefined],
    [{ outcome: '!ok' }, undefined],
    [{ outcome: '!not-ok' }, undefined],
    [{ execution_id: '3,4,11' }, undefined],
    [{ execution_id: '!3' }, undefined],
    [{ operation: '!get_sealed' }, undefined],
    [{ worker_id: 'w1,w2', from: '-90d' }, undefined],
    [{ worker_id: '!w1', from: '-90d' }, undefined],
    [{ actor_id: 'cn=jane\\, ou=a,jim', from: '-90d' }, undefined],
    [{ actor_type: 'user', from: '-90d' }, undefined],
    [{ actor_type: '!service', from: '-90d' }, undefined],
    [{ service_name: '!orders', service_instance_id: 'i1,i2', from: '-90d' }, undefined],
    [{ hours: 'mo-fr 08:00-18:00 Europe/Berlin', from: '-90d' }, undefined],
    [{ hours: '!mo-fr 08:00-18:00 Europe/Berlin', from: '-90d' }, undefined],
    [{ hours: '22:00-06:00', credential: 'billing', from: '-90d' }, undefined],
    [{ own: 'exclude' }, 401],
    [{ own: 'include' }, 403],
  ])('%j', async (filter, count) => {
    const rows = await scan(trailAt(database), { ...filter, limit: 60 })
    const resolved = parseFilter(filter)
    const wanted = EVENTS.filter((event) => matches(resolved, event))
      .map(({ auditId }) => auditId)
      .sort((a, b) => (a < b ? 1 : -1))
    expect(rows.map(({ audit_id }) => BigInt(audit_id))).toEqual(wanted)
    expect(wanted.length).toBe(count ?? wanted.length)
    if (count === undefined) expect(wanted.length).toBeGreaterThan(0)
  })

  test('lost events stay when the own rows are left out', async () => {
    const { rows } = await trailAt(database).search({ own: 'exclude', outcome: 'lost' })
    expect(rows.map(({ operation }) => operation)).toEqual(['audit_gap'])
  })

  test('a row that is not known to have a value is not left out with it', async () => {
    const rows = await scan(trailAt(database), { worker_id: '!w1', from: `-${90 * 24}h` })
    expect(new Set(rows.map(({ worker_id }) => worker_id))).toEqual(new Set(['w2', null]))
  })
})

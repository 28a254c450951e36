import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type pg from 'pg'
import { OwnClock } from '../../src/gateway/own-clock.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { listening } from '../service/telemetry.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { auditSpan, nowNanos, tracesOf } from '../support/gateway/requests.js'
import { post, startGateway } from './running.js'

const DAY_MS = 86_400_000

let database: TestDatabase
let owner: pg.Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

beforeEach(() => {
  listening()
})

const kept = async (traceId: string) =>
  (await owner.query('select from noetl.secret_audit_quarantine where trace_id = $1', [traceId])).rowCount

describe('an event whose time is wrong, by the clock of the gateway', () => {
  const ahead = () => auditSpan({ timeNanos: nowNanos() + 2n * BigInt(DAY_MS) * 1_000_000n })

  it('is not kept aside by one whose own clock is wrong: its sender has it, and another gateway may take it', async () => {
    const { url } = await startGateway(database.url, {
      databaseTime: () => Promise.resolve(Date.now() + 2 * DAY_MS),
    })
    const [span, sound] = [ahead(), auditSpan()]
    const answer = await post(url, tracesOf([span]))
    expect(answer.status).toBe(503)
    expect(answer.body.toString()).toContain('clocks')
    expect(await kept(span.traceId)).toBe(0)
    expect((await post(url, tracesOf([sound]))).status).toBe(200)
  })

  it('is kept aside when the database says the same', async () => {
    const sink = new PostgresAuditSink({ databaseUrl: database.url })
    const { url } = await startGateway(database.url, { databaseTime: () => sink.databaseTime() })
    const span = ahead()
    expect((await post(url, tracesOf([span]))).status).toBe(200)
    expect(await kept(span.traceId)).toBe(1)
    await sink.close()
  })
})

describe('the own clock', () => {
  it('is asked about once for many, again after a failure, and not sound while nobody says', async () => {
    let asked = 0
    let fails = true
    const clock = new OwnClock(() => {
      asked++
      return fails ? Promise.reject(new Error('away')) : Promise.resolve(Date.now())
    })
    expect(await clock.isSound()).toBe(false)
    fails = false
    expect(await Promise.all([clock.isSound(), clock.isSound()])).toEqual([true, true])
    expect(await clock.isSound()).toBe(true)
    expect(asked).toBe(2)
  })

  it('is sound where there is nothing to hold it against', async () => {
    expect(await new OwnClock(undefined).isSound()).toBe(true)
  })

  it('the time of a database that is away is not known', async () => {
    const away = new URL(database.url)
    away.port = '1'
    const sink = new PostgresAuditSink({ databaseUrl: away.href })
    await expect(sink.databaseTime()).rejects.toThrow()
    await sink.close()
  })
})

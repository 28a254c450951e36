import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import type { LostBlocks, WriteResult } from '../../src/contract/sink.js'
import { CuttingProxy } from '../support/cutting-proxy.js'
import { anEvent, batchOf } from '../support/events.js'
import { openPipeline } from '../support/pipeline.js'
import type { PostgresServer } from '../support/postgres/server.js'
import { caughtUp, startStandby } from '../support/standby.js'
import { readTrail } from '../support/trail.js'
import { TrailServer } from '../support/trail-server.js'
import { waitUntil } from '../support/wait-until.js'

const MOVER = 'mover'

let trails: TrailServer
let standby: PostgresServer
let url: string
let otherUrl: string

beforeAll(async () => {
  trails = await TrailServer.start()
  url = await trails.trail()
  otherUrl = await trails.trail()
  // Logs in to both servers without a password.
  await trails.server.query(`create role ${MOVER} superuser login`)
  standby = await startStandby(trails.server)
})

afterAll(async () => {
  await trails.close()
  await standby?.close()
})

const onStandby = async (sql: string, database = 'postgres') => {
  const client = new Client({ connectionString: standby.url(database, MOVER) })
  await client.connect()
  try {
    return await client.query<Record<string, unknown>>(sql)
  } finally {
    await client.end()
  }
}

test('a reconnect that ends at a standby which lags behind: nothing is taken for lost', async () => {
  const database = new URL(otherUrl).pathname.slice(1)
  const proxy = await CuttingProxy.start(trails.server.port)
  onTestFinished(() => proxy.close())
  const moveTo = (port: number): void => {
    proxy.shut()
    proxy.target = port
    proxy.open()
  }
  const sink = new PostgresAuditSink({ databaseUrl: proxy.url(trails.server.url(database, MOVER)) })
  const lost: LostBlocks[] = []
  const writer = { serviceName: 's', serviceInstanceId: 'i', lost: 0, onBlock: () => {} }
  sink.attach({ ...writer, onLostBlocks: (blocks) => lost.push(blocks) })
  expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
  await caughtUp(trails.server)
  await onStandby('select pg_wal_replay_pause()')
  expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })

  const batch = batchOf(anEvent())
  moveTo(standby.port)
  const written = (status: string) => async (): Promise<WriteResult | undefined> => {
    const result = await sink.write(batch)
    return result.status === status ? result : undefined
  }
  const refused = await waitUntil('the standby to be seen', written('failed'))
  expect(refused).toMatchObject({
    lasting: true,
    fault: { message: expect.stringContaining('is a standby') },
  })
  moveTo(trails.server.port)
  await waitUntil('the rows', written('committed'))
  expect(lost).toEqual([])
  await sink.close()
  await onStandby('select pg_wal_replay_resume()')
  await caughtUp(trails.server)
})

test('a failover to a standby that had lost acknowledged commits: the rest goes on there, every event at most once', async () => {
  const database = new URL(url).pathname.slice(1)
  const proxy = await CuttingProxy.start(trails.server.port)
  onTestFinished(() => proxy.close())
  const writer = new URL(trails.server.url(database, MOVER))
  const pipeline = openPipeline(proxy.url(writer.href), { answerTimeoutMs: 1000 })
  const { ledger, exporter } = pipeline

  const replicated = [ledger.strict(), ledger.async()]
  expect(await replicated[0]?.answer).toHaveProperty('committedAt')
  await caughtUp(trails.server)

  await onStandby(`alter system set primary_conninfo = ''`)
  await onStandby('select pg_reload_conf()')
  await waitUntil('replication to end', async () => {
    return (await onStandby('select from pg_stat_wal_receiver')).rowCount === 0
  })
  const lost = ledger.strict()
  expect(await lost.answer).toHaveProperty('committedAt')

  // In doubt on the old primary, which has committed it: nobody else will ever know.
  await trails.holdCommits()
  const inDoubt = ledger.strict()
  await trails.waiting(pipeline.applicationName, 'SyncRep')
  await trails.server.kill()
  proxy.shut()
  const waiting = [ledger.strict(), ledger.async()]
  await onStandby('select pg_promote()')
  proxy.target = standby.port
  proxy.open()
  expect(await inDoubt.answer).toHaveProperty('committedAt')
  expect(await waiting[0]?.answer).toHaveProperty('committedAt')
  await exporter.forceFlush()
  await exporter.close(10_000)

  const trail = await readTrail(standby.url(database, MOVER))
  const [gap] = trail.filter(({ event }) => event.operation === 'audit_gap')
  expect(JSON.parse(gap?.event.attributesJson ?? '')).toMatchObject({ reason: 'lost_by_store', count: 1 })
  expect(exporter.metrics.total('records.lost_by_store')).toBe(1)
  const stored = trail.filter((row) => row !== gap).map(({ event }) => event.auditId)
  const expected = [...replicated, inDoubt, ...waiting].map(({ event }) => event.auditId)
  expect(stored).toHaveLength(expected.length)
  expect(new Set(stored)).toEqual(new Set(expected))
  expect(stored).not.toContain(lost.event.auditId)
  expect(exporter.stats()).toMatchObject({ emitted: 7, written: 7, pending: 0 })
})

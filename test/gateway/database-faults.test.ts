import { chownSync, statSync } from 'node:fs'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { WriteResult } from '../../src/contract/sink.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { serveGateway } from '../../src/gateway/serve-gateway.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { listening } from '../service/telemetry.js'
import { smallDisk } from '../spool/small-disk.js'
import { connect } from '../support/database.js'
import { auditSpan, protobufOf, text, ACCESS, tracesOf } from '../support/gateway/requests.js'
import { readTrail } from '../support/trail.js'
import { TrailServer } from '../support/trail-server.js'
import { post } from './running.js'

let trails: TrailServer
let url: string
let owner: pg.Client

beforeAll(async () => {
  trails = await TrailServer.start()
})

afterAll(() => trails.close())

beforeEach(async () => {
  listening()
  url = await trails.trail()
  owner = await connect(url)
  onTestFinished(() => owner.end())
})

/** A gateway in this process, and how often it has written. */
async function start(databaseUrl = url) {
  const sink = new PostgresAuditSink({ databaseUrl, answerTimeoutMs: 1000 })
  const writes: WriteResult['status'][] = []
  const write = sink.write.bind(sink)
  sink.write = async (...args) => {
    const result = await write(...args)
    writes.push(result.status)
    return result
  }
  const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
  const gateway = await serveGateway({ exporter, port: 0, limits: { deadlineMs: 500 } })
  onTestFinished(async () => {
    await gateway.close(1000)
    await exporter.close(10_000)
  })
  return { gateway, exporter, writes }
}

const health = async (gateway: { url: string }): Promise<string> =>
  (await fetch(`${gateway.url}/healthz`)).text()

/** Sends until it hears 200. @returns the other answers */
async function untilStored(gateway: { url: string }, body: Buffer): Promise<number[]> {
  const answers: number[] = []
  for (;;) {
    const { status } = await post(gateway.url, body)
    if (status === 200) return answers
    answers.push(status)
  }
}

const rowsOf = async (traceId: string): Promise<number> =>
  (await readTrail(url)).filter(({ event }) => event.traceId === traceId).length

describe('while the database cannot store, senders hear 503, /healthz says why, and nothing runs in circles:', () => {
  it('its disk is full', async () => {
    const disk = smallDisk(16)
    if (!disk.isMounted) return
    const { gateway, writes, exporter } = await start()
    await untilStored(gateway, protobufOf(tracesOf([auditSpan()])))
    const { uid, gid } = statSync(trails.server.dataDirectory)
    chownSync(disk.directory, uid, gid)
    await owner.query(`create tablespace small location '${disk.directory}'`)
    const { rows } = await owner.query<{ partition: string }>(
      'select distinct tableoid::regclass::text as partition from noetl.secret_audit',
    )
    for (const { partition } of rows) await owner.query(`alter table ${partition} set tablespace small`)
    disk.fill()
    const big = () => auditSpan({ attributes: [...ACCESS, text('secret_audit.notes', 'n'.repeat(1000))] })
    // What the last page has room for is still taken.
    const spans = Array.from({ length: 100 }, big)
    const body = protobufOf(tracesOf(spans))
    expect((await post(gateway.url, body)).status).toBe(503)
    expect(await health(gateway)).toContain('No space left')
    const before = writes.length
    for (let i = 0; i < 4; i++) expect((await post(gateway.url, body)).status).toBe(503)
    expect(writes.length - before).toBeLessThan(100)
    expect(exporter.stats().pending).toBe(100)
    disk.clear()
    await untilStored(gateway, body)
    for (const { traceId } of spans) expect(await rowsOf(traceId)).toBe(1)
    expect(await health(gateway)).toBe('ok\n')
  })

  it('its login has lost a right', async () => {
    const login = `gateway_${url.split('_').at(-1)}`
    await owner.query(`create role ${login} login in role noetl_audit_writer`)
    const name = new URL(url).pathname.slice(1)
    const { gateway, writes } = await start(trails.server.url(name, login))
    await untilStored(gateway, protobufOf(tracesOf([auditSpan()])))
    await owner.query(`revoke noetl_audit_writer from ${login}`)
    const span = auditSpan({ events: 3 })
    const body = protobufOf(tracesOf([span]))
    for (let i = 0; i < 4; i++) expect((await post(gateway.url, body)).status).toBe(503)
    expect(await health(gateway)).toContain('permission denied')
    expect(writes.length).toBeLessThan(100)
    await owner.query(`grant noetl_audit_writer to ${login}`)
    await untilStored(gateway, body)
    expect(await rowsOf(span.traceId)).toBe(3)
  })

  it('a table is gone', async () => {
    const { gateway, writes } = await start()
    await untilStored(gateway, protobufOf(tracesOf([auditSpan()])))
    await owner.query('alter table noetl.secret_audit_block rename to elsewhere')
    const span = auditSpan()
    const body = protobufOf(tracesOf([span]))
    for (let i = 0; i < 4; i++) expect((await post(gateway.url, body)).status).toBe(503)
    expect(await health(gateway)).toContain('unavailable')
    expect(writes.length).toBeLessThan(100)
    await owner.query('alter table noetl.elsewhere rename to secret_audit_block')
    await untilStored(gateway, body)
    expect(await rowsOf(span.traceId)).toBe(1)
  })

  it('it stands still (SIGSTOP)', async () => {
    const { gateway, exporter } = await start()
    await untilStored(gateway, protobufOf(tracesOf([auditSpan()])))
    await trails.server.pause()
    const spans = Array.from({ length: 20 }, () => auditSpan({ events: 10 }))
    const bodies = spans.map((span) => protobufOf(tracesOf([span])))
    const answers = await Promise.all(bodies.map((body) => post(gateway.url, body)))
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(503))
    expect((await fetch(`${gateway.url}/livez`)).status).toBe(200)
    trails.server.resume()
    await Promise.all(bodies.map((body) => untilStored(gateway, body)))
    for (const { traceId } of spans) expect(await rowsOf(traceId)).toBe(10)
    expect(exporter.stats()).toMatchObject({ droppedAsync: 0, handedBack: 0, pending: 0 })
  })
})

import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { deflateSync, gzipSync } from 'node:zlib'
import * as zlib from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type pg from 'pg'
import type { AuditSink, WriteResult } from '../../src/contract/sink.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { serveGateway } from '../../src/gateway/serve-gateway.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { listening } from '../service/telemetry.js'
import { CuttingProxy } from '../support/cutting-proxy.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { auditSpan, otherSpan, protobufOf, tracesOf } from '../support/gateway/requests.js'
import { readTrail } from '../support/trail.js'
import { type Answer, post, startGateway } from './running.js'

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

const count = async (): Promise<number> =>
  Number((await owner.query<{ n: string }>('select count(*) as n from noetl.secret_audit')).rows[0]?.n)

/** A gateway over a sink of the test's own. */
async function overSink(sink: AuditSink, limits = {}, rows = 1000) {
  const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
  const server = await serveGateway({ exporter, port: 0, limits, rows })
  onTestFinished(async () => {
    await server.close(100)
    await exporter.close(100)
  })
  return { ...server, exporter }
}

/** What a sink says until it is let go; then it stores. */
function hanging(): { sink: RecordingAuditSink; letGo: () => void } {
  let letGo = (): void => {}
  const held = new Promise<undefined>((resolve) => {
    letGo = () => resolve(undefined)
  })
  return { sink: new RecordingAuditSink(() => held), letGo: () => letGo() }
}

type Compress = (bytes: Buffer) => Buffer

const zstd = (zlib as unknown as { zstdCompressSync?: Compress }).zstdCompressSync
const COMPRESSED: (readonly [string, Compress])[] = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['GZIP', gzipSync],
  ...(zstd === undefined ? [] : [['zstd', zstd] as const]),
]

const UNAVAILABLE: WriteResult = {
  status: 'failed',
  lasting: false,
  fault: { code: 'AUDIT_UNAVAILABLE', message: 'no connection: canary-host-5512' },
}

describe('200', () => {
  it.each(COMPRESSED)('for a body that is compressed by %s', async (coding, compress) => {
    const { url } = await startGateway(database.url)
    const span = auditSpan()
    const body = compress(protobufOf(tracesOf([span, otherSpan()])))
    expect(await post(url, body, { headers: { 'content-encoding': coding } })).toMatchObject({ status: 200 })
    expect((await readTrail(owner)).filter(({ event }) => event.traceId === span.traceId)).toHaveLength(1)
  })

  it('in the form that was sent', async () => {
    const { url } = await startGateway(database.url)
    const answer = await post(url, tracesOf([auditSpan()]), { type: 'application/json; charset=utf-8' })
    expect(answer).toMatchObject({ status: 200, body: Buffer.from('{}') })
    expect(answer.headers['content-type']).toBe('application/json')
  })

  it('for what has nothing of ours, without a row', async () => {
    const { url } = await startGateway(database.url)
    const before = await count()
    expect((await post(url, tracesOf([otherSpan(), otherSpan()]))).status).toBe(200)
    expect((await post(url, Buffer.alloc(0))).status).toBe(200)
    expect(await count()).toBe(before)
  })

  it('for a request of more events than are held at once, and of more bytes than a part', async () => {
    const { url } = await startGateway(database.url, { rows: 100, limits: { part: 100_000 } })
    const before = await count()
    const resources = Array.from({ length: 20 }, () =>
      protobufOf(tracesOf(Array.from({ length: 40 }, () => auditSpan()))),
    )
    const body = Buffer.concat(resources)
    expect(body.length).toBeGreaterThan(100_000)
    expect((await post(url, body)).status).toBe(200)
    expect((await post(url, tracesOf(Array.from({ length: 250 }, () => auditSpan())))).status).toBe(200)
    expect((await count()) - before).toBe(20 * 40 + 250)
  })
})

describe('503', () => {
  it('with Retry-After: 1 while nothing is committed; the resend joins, and is one row', async () => {
    const { url, exporter } = await startGateway(database.url, { limits: { deadlineMs: 300 } })
    const first = tracesOf([auditSpan()])
    while ((await post(url, first)).status !== 200);
    await owner.query('begin; lock table noetl.secret_audit_block in exclusive mode')
    const span = auditSpan({ events: 5 })
    const request = protobufOf(tracesOf([span]))
    expect(await post(url, request)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    const resends = [post(url, request), post(url, request)]
    await owner.query('commit')
    for (const resend of resends) {
      let { status } = await resend
      while (status !== 200) ({ status } = await post(url, request))
    }
    expect((await readTrail(owner)).filter(({ event }) => event.traceId === span.traceId)).toHaveLength(5)
    expect(exporter.stats()).toMatchObject({ droppedAsync: 0, handedBack: 0, pending: 0 })
  })

  it('at once when there is no room, and nothing of such a request is held', async () => {
    const { sink, letGo } = hanging()
    const { url, exporter } = await overSink(sink, {}, 10)
    const spans = (length: number) => tracesOf(Array.from({ length }, () => auditSpan()))
    const first = post(url, spans(8))
    while (exporter.stats().pending < 8) await new Promise(setImmediate)
    expect(await post(url, spans(3))).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect(exporter.stats().emitted).toBe(8)
    letGo()
    expect((await first).status).toBe(200)
  })

  it('while the database is away, with the cause for a sender; it is held, bounded, and stored when it is back', async () => {
    const proxy = await CuttingProxy.start(Number(new URL(database.url).port))
    onTestFinished(() => proxy.close())
    const limits = { deadlineMs: 100 }
    const { url, exporter } = await startGateway(proxy.url(database.url), { limits, rows: 50 })
    proxy.shut()
    const spans = Array.from({ length: 10 }, () => auditSpan({ events: 20 }))
    const requests = spans.map((span) => protobufOf(tracesOf([span])))
    for (const request of requests) expect((await post(url, request)).status).toBe(503)
    expect(exporter.stats().pending).toBeLessThanOrEqual(50)
    const health = await fetch(`${url}/healthz`)
    expect([health.status, await health.text()]).toEqual([503, expect.stringContaining('no connection')])
    for (const path of ['/livez', '/readyz']) expect((await fetch(url + path)).status).toBe(200)
    proxy.open()
    for (const request of requests) {
      let status = 0
      while (status !== 200) ({ status } = await post(url, request))
    }
    const traces = new Set(spans.map(({ traceId }) => traceId))
    expect((await readTrail(owner)).filter(({ event }) => traces.has(event.traceId ?? ''))).toHaveLength(200)
    expect(exporter.stats()).toMatchObject({ droppedAsync: 0, failedStrict: 0 })
  })

  it('for what is turned away, without a gap row, a drop or a lost event in the chain', async () => {
    const sink = new RecordingAuditSink(() => Promise.resolve(UNAVAILABLE))
    const { url, exporter } = await overSink(sink, { deadlineMs: 50 })
    expect((await post(url, tracesOf([auditSpan(), auditSpan()]))).status).toBe(503)
    await exporter.close(50)
    expect((await post(url, tracesOf([auditSpan()]))).status).toBe(503)
    expect(exporter.stats()).toMatchObject({ droppedAsync: 0, pending: 0, written: 0, handedBack: 3 })
    expect(sink.events).toEqual([])
  })

  it('while it shuts down, for new requests; those that are being answered are answered', async () => {
    const { sink, letGo } = hanging()
    const { url, close, exporter } = await overSink(sink)
    const open = post(url, tracesOf([auditSpan()]))
    while (exporter.stats().pending === 0) await new Promise(setImmediate)
    const closed = close(2000)
    expect(await post(url, tracesOf([auditSpan()]))).toMatchObject({ status: 503 })
    expect((await fetch(`${url}/readyz`)).status).toBe(503)
    letGo()
    expect((await open).status).toBe(200)
    await closed
  })
})

describe('a mistake of set-up', () => {
  const cases: [number, string, () => Promise<Answer>][] = []
  const add = (status: number, what: string, send: (url: string) => Promise<Answer>) => {
    cases.push([status, what, async () => send((await startGateway(database.url)).url)])
  }
  add(404, 'another path', (url) => post(url, tracesOf([]), { path: '/v1/metrics' }))
  add(405, 'another method', async (url) => {
    const answer = await fetch(`${url}/v1/traces`)
    return { status: answer.status, headers: {}, body: Buffer.alloc(0) }
  })
  add(415, 'another content type', (url) => post(url, tracesOf([]), { type: 'text/plain' }))
  add(415, 'another encoding', (url) => post(url, tracesOf([]), { headers: { 'content-encoding': 'br' } }))
  add(413, 'a body that says that it has too much', (url) => declared(url, 300 * 1024 * 1024))
  // Of 70 MiB, in one resource; nothing says so before.
  add(413, 'a resource that has too much', (url) =>
    post(url, Buffer.concat([Buffer.from([0x0a, 0x80, 0x80, 0xc0, 0x23]), Buffer.alloc(74_448_896)])),
  )

  it.each(cases)('is answered by %s: %s', async (status, _, send) => {
    expect((await send()).status).toBe(status)
  })

  it('is to listen for everybody without credentials', async () => {
    await expect(startGateway(database.url, { host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field: 'host',
    })
  })
})

/** Sends only the head of a request that says how much will come. */
function declared(url: string, length: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      new URL('/v1/traces', url),
      { method: 'POST', headers: { 'content-type': 'application/x-protobuf', 'content-length': length } },
      (response) => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.alloc(0) })
        request.destroy()
      },
    )
    request.on('error', reject)
    request.flushHeaders()
  })
}

describe('1,000 hostile requests', () => {
  it('hold a bounded memory, and keep nobody from being served', async () => {
    const { url } = await startGateway(database.url, {
      limits: { body: 8 * 1024 * 1024, resource: 4 * 1024 * 1024 },
    })
    // 64 MiB of zeros, and of one resource that never ends.
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    const endless = gzipSync(
      Buffer.concat([Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(64 * 1024 * 1024)]),
    )
    const gzip = { headers: { 'content-encoding': 'gzip' } }
    const kinds: (() => Promise<unknown>)[] = [
      () => post(url, bomb, gzip),
      () => post(url, endless, gzip),
      () => post(url, randomBytes(2000)),
      () => post(url, Buffer.from('['.repeat(100_000)), { type: 'application/json' }),
      () => declared(url, 2 ** 40),
      () => post(url, tracesOf([]), { headers: { 'x-long': 'x'.repeat(60_000) } }),
      () => stalled(url),
      () => post(url, protobufOf(tracesOf([auditSpan({ events: 50 })]))),
    ]
    const stalledAt = () => stalled(url)
    const before = process.memoryUsage().rss
    let highest = before
    const watch = setInterval(() => {
      highest = Math.max(highest, process.memoryUsage().rss)
    }, 20)
    onTestFinished(() => clearInterval(watch))
    for (let at = 0; at < 1000; at += 40) {
      const attacks = Array.from({ length: 40 }, (_, i) =>
        (kinds[(at + i) % kinds.length] ?? stalledAt)().catch(() => undefined),
      )
      for (const path of ['/livez', '/healthz']) expect((await fetch(url + path)).status).toBe(200)
      await Promise.all(attacks)
    }
    expect((highest - before) / 1024 / 1024).toBeLessThan(400)
    const span = auditSpan()
    expect((await post(url, tracesOf([span]))).status).toBe(200)
    expect((await readTrail(owner)).filter(({ event }) => event.traceId === span.traceId)).toHaveLength(1)
  }, 240_000)
})

/** Sends a part of a body, waits a while, and goes away. */
function stalled(url: string): Promise<void> {
  return new Promise((resolve) => {
    const request = httpRequest(new URL('/v1/traces', url), {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf', 'content-length': 10_000 },
    })
    request.on('error', () => resolve())
    request.write(Buffer.from([0x0a, 0xff, 0x7f, 1, 2, 3]))
    setTimeout(() => {
      request.destroy()
      resolve()
    }, 100)
  })
}

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type pg from 'pg'
import { listening } from '../service/telemetry.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import {
  ACCESS,
  auditSpan,
  logsOf,
  nowNanos,
  protobufOf,
  text,
  tracesOf,
} from '../support/gateway/requests.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'
import { post, startGateway } from './running.js'

const CANARY = 'canary-secret-7f31'
const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname

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

beforeEach(async () => {
  listening()
})

interface Kept {
  readonly id: string
  readonly reason: string
  readonly raw: Buffer
  readonly bytes: number
  readonly trace_id: string | null
  readonly service_name: string | null
}

const kept = async (): Promise<Kept[]> =>
  (
    await owner.query<Kept>(
      `select quarantine_id::text as id, reason, raw, octet_length(raw) as bytes, trace_id, service_name
       from noetl.secret_audit_quarantine order by recorded_at`,
    )
  ).rows

const rowsAbout = async () =>
  (await readTrail(owner)).filter(({ event }) => event.operation === 'audit_quarantine')

/** Runs the command as an operator would. */
async function cli(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: database.url }
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, [MAIN, ...args], { env })) }
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string }
  }
}

const DAY_NANOS = 86_400n * 1_000_000_000n

describe('what cannot be a row', () => {
  it.each([
    ['incomplete', auditSpan({ attributes: ACCESS.slice(1) })],
    ['invalid', auditSpan({ attributes: [...ACCESS, text('secret_audit.execution_id', CANARY)] })],
    [
      'invalid',
      auditSpan({
        attributes: [...ACCESS.slice(0, 1), ...ACCESS.slice(2), text('secret_audit.operation', 'DROP!')],
      }),
    ],
    ['clock', auditSpan({ timeNanos: 1_000_000_000n })],
    ['clock', auditSpan({ timeNanos: nowNanos() + 2n * DAY_NANOS })],
    // A month that retention has dropped, or that never was.
    ['refused', auditSpan({ timeNanos: nowNanos() - 400n * DAY_NANOS })],
  ])(
    '%s: is kept and acknowledged, its neighbours are stored, and a resend keeps nothing more',
    async (reason, span) => {
      const { url } = await startGateway(database.url)
      const [before, aboutBefore] = [await kept(), await rowsAbout()]
      const neighbours = Array.from({ length: 511 }, () => auditSpan())
      const request = protobufOf(tracesOf([...neighbours.slice(0, 200), span, ...neighbours.slice(200)]))
      for (let i = 0; i < 3; i++) expect((await post(url, request)).status).toBe(200)
      const now = await kept()
      expect(now.slice(before.length)).toMatchObject([
        { reason, trace_id: span.traceId, service_name: 'billing' },
      ])
      expect(now.at(-1)?.raw.toString('latin1')).toContain('secret.access')
      const traces = new Set(neighbours.map(({ traceId }) => traceId))
      const rows = (await readTrail(owner)).filter(({ event }) => traces.has(event.traceId ?? ''))
      expect(rows).toHaveLength(511)
      const known = new Set(aboutBefore.map(({ event }) => event.auditId))
      const about = (await rowsAbout()).filter(({ event }) => !known.has(event.auditId))
      expect(about).toHaveLength(1)
      expect(about[0]?.event).toMatchObject({ outcome: 'quarantined', actorId: 'anonymous' })
      expect(JSON.parse(about[0]?.event.attributesJson ?? '')).toEqual({
        count: 1,
        reasons: `${reason}:1`,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      })
    },
  )

  it('is kept once, whether it comes as JSON or, through a collector, as protobuf; of another service again', async () => {
    const { url } = await startGateway(database.url)
    const before = (await kept()).length
    const request = tracesOf([auditSpan({ attributes: ACCESS.slice(1) })])
    expect((await post(url, request, { type: 'application/json' })).status).toBe(200)
    expect((await post(url, request)).status).toBe(200)
    expect((await kept()).length - before).toBe(1)
    const [resource] = request.resourceSpans
    const other = {
      resourceSpans: [{ ...resource, resource: { attributes: [text('service.name', 'other')] } }],
    }
    expect((await post(url, other)).status).toBe(200)
    expect((await kept()).length - before).toBe(2)
    // What has no text is not compared as text: it is the bytes that are kept.
    const list = { key: 'secret_audit.notes', value: { arrayValue: { values: [{ stringValue: 'a' }] } } }
    const span = auditSpan({ attributes: [...ACCESS.slice(1), list] })
    const again = structuredClone(span)
    const [event] = again.events
    Object.assign(event?.attributes.at(-1) ?? {}, {
      value: { arrayValue: { values: [{ stringValue: 'b' }] } },
    })
    for (const one of [span, again]) expect((await post(url, tracesOf([one]))).status).toBe(200)
    expect((await kept()).length - before).toBe(4)
  })

  it('is a body that is not OTLP at all, or is cut, or compressed wrongly; what came before is stored', async () => {
    const { url } = await startGateway(database.url)
    const span = auditSpan()
    const whole = protobufOf(tracesOf([span]))
    const bodies: [Buffer, Record<string, string>][] = [
      [Buffer.from('GET me a coffee'), {}],
      [Buffer.concat([whole, whole.subarray(0, 40)]), {}],
      [Buffer.from('not gzip at all'), { 'content-encoding': 'gzip' }],
      [Buffer.from('{"resourceSpans": [{"scopeSpans": [}'), { 'content-type': 'application/json' }],
      [Buffer.from('[]'), { 'content-type': 'application/json' }],
      [Buffer.alloc(100_000, 0xff), {}],
      // It is known to be none long before it has come.
      [Buffer.alloc(20_000_000, 0xfe), {}],
    ]
    const before = await kept()
    for (const [body, headers] of bodies) {
      expect(await post(url, body, { headers })).toMatchObject({ status: 200 })
    }
    const now = (await kept()).slice(before.length)
    expect(now.map(({ reason }) => reason)).toEqual(Array(bodies.length).fill('malformed'))
    const longest = Math.max(...now.map(({ bytes }) => bytes))
    expect(longest).toBeLessThanOrEqual(65_536)
    expect(longest).toBeGreaterThan(10_000)
    expect((await readTrail(owner)).filter(({ event }) => event.traceId === span.traceId)).toHaveLength(1)
  })

  it('is one resource of a request that is broken; the others are stored', async () => {
    const { url } = await startGateway(database.url)
    const [first, broken, last] = [auditSpan(), auditSpan(), auditSpan()].map((span) =>
      protobufOf(tracesOf([span])),
    )
    // The length of an event is made too long.
    const at = broken?.indexOf('secret.access') ?? 0
    if (broken !== undefined) broken[at - 1] = 0x7f
    const count = async () => (await readTrail(owner)).length
    const [rows, things] = [await count(), (await kept()).length]
    expect((await post(url, Buffer.concat([first ?? [], broken ?? [], last ?? []] as Buffer[]))).status).toBe(
      200,
    )
    expect((await kept()).slice(things)).toMatchObject([{ reason: 'malformed' }])
    expect((await count()) - rows).toBe(3)
  })

  it('is kept whole ten times an hour, then with 4 KiB, then not, and always acknowledged and counted', async () => {
    const { url } = await startGateway(database.url)
    const service = [text('service.name', 'flooding')]
    const spans = Array.from({ length: 130 }, () =>
      auditSpan({ attributes: [text('secret_audit.credential', 'x'.repeat(6000))] }),
    )
    for (const part of [spans.slice(0, 60), spans.slice(60)]) {
      expect((await post(url, tracesOf(part, service))).status).toBe(200)
    }
    const flood = (await kept()).filter(({ service_name }) => service_name === 'flooding')
    expect(flood).toHaveLength(100)
    expect(flood.filter(({ bytes }) => bytes > 4096)).toHaveLength(10)
    const told = (await rowsAbout()).map(
      ({ event }) => JSON.parse(event.attributesJson ?? '{}') as { count: number },
    )
    expect(told.map(({ count }) => count)).toEqual(expect.arrayContaining([60, 70]))
  })

  it('is acknowledged within bounds however much of it there is, and of whatever service', async () => {
    const { url } = await startGateway(database.url)
    const attributes = [text('secret_audit.credential', 'x'.repeat(3000))]
    const request = Buffer.concat(
      Array.from({ length: 40 }, (_, i) =>
        protobufOf(
          tracesOf(
            Array.from({ length: 120 }, () => auditSpan({ attributes })),
            [text('service.name', i === 0 ? 'y\0'.repeat(100_000) : `many-${i}`)],
          ),
        ),
      ),
    )
    const before = await kept()
    expect((await post(url, request)).status).toBe(200)
    const now = (await kept()).slice(before.length)
    expect(now.length).toBeGreaterThan(500)
    expect(now.length).toBeLessThanOrEqual(1000)
    expect(now.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(8 * 1024 * 1024)
    const counts = (await rowsAbout()).map(
      ({ event }) => (JSON.parse(event.attributesJson ?? '{}') as { count: number }).count,
    )
    expect(counts).toContain(40 * 120)
  })

  it('is seen by nobody but the keeper, and holds against UPDATE and DELETE', async () => {
    for (const role of ['noetl_audit_writer', 'noetl_audit_reader']) {
      await owner.query(`set role ${role}`)
      await expect(owner.query('select raw from noetl.secret_audit_quarantine')).rejects.toThrow(
        'permission denied',
      )
      await owner.query('reset role')
    }
    await owner.query('set role noetl_audit_keeper')
    expect((await owner.query('select raw from noetl.secret_audit_quarantine')).rowCount).toBeGreaterThan(0)
    await owner.query('reset role')
    const [{ partition } = { partition: '' }] = (
      await owner.query<{ partition: string }>(
        'select distinct tableoid::regclass::text as partition from noetl.secret_audit_quarantine',
      )
    ).rows
    for (const table of ['noetl.secret_audit_quarantine', partition]) {
      await expect(owner.query(`update ${table} set raw = ''`)).rejects.toThrow('append-only')
      await expect(owner.query(`delete from ${table}`)).rejects.toThrow('append-only')
      await expect(owner.query(`truncate ${table}`)).rejects.toThrow('append-only')
    }
  })

  it('leaves no canary in the trail, and chains that verify', async () => {
    const rows = await owner.query<{ text: string }>('select t::text as text from noetl.secret_audit t')
    expect(rows.rows.filter(({ text: row }) => row.includes(CANARY))).toEqual([])
    const { found } = await verifiedTrail(database.url)
    expect(found).toEqual([])
  })
})

describe('otel-audit quarantine', () => {
  it('lists, shows, replays and discards, and leaves a row for each', async () => {
    const { url } = await startGateway(database.url)
    const [future, worthless] = [
      auditSpan({ timeNanos: nowNanos() + 30n * DAY_NANOS }),
      auditSpan({ attributes: [text('secret_audit.credential', `only-${CANARY}`)] }),
    ]
    await post(url, tracesOf([future, worthless]))
    const listed = await cli('quarantine', 'list', '--format', 'json', '--limit', '100')
    expect(listed).toMatchObject({ code: 0 })
    const items = JSON.parse(listed.stdout) as { quarantineId: string; traceId: string; reason: string }[]
    const idOf = (span: { traceId: string }) =>
      items.find(({ traceId }) => traceId === span.traceId)?.quarantineId ?? ''

    const shown = await cli('quarantine', 'show', idOf(worthless))
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('only-cana') })

    // Its time is still no time to store it under.
    expect(await cli('quarantine', 'replay', idOf(future))).toMatchObject({ code: 1 })
    const once = await cli('quarantine', 'replay', idOf(future), '--clock-claimed')
    expect(once).toMatchObject({ code: 0 })
    await cli('quarantine', 'replay', idOf(future), '--clock-claimed')
    const rows = (await readTrail(owner)).filter(({ event }) => event.traceId === future.traceId)
    expect(rows).toHaveLength(1)
    expect(rows[0]?.event.occurredAt).toBeGreaterThan(Date.now() * 1000 + 29 * 86_400_000_000)

    expect(await cli('quarantine', 'discard', idOf(worthless))).toMatchObject({ code: 0 })
    expect(await cli('quarantine', 'replay', idOf(worthless))).toMatchObject({ code: 1 })
    const left = await cli('quarantine', 'list', '--format', 'json', '--limit', '100')
    expect(left.stdout).not.toContain(worthless.traceId)
    expect(left.stdout).not.toContain(future.traceId)
    expect((await cli('quarantine', 'list', '--all', '--limit', '1000')).stdout).toContain('discarded')

    const actions = (await rowsAbout()).flatMap(({ event }) => {
      const { action } = JSON.parse(event.attributesJson ?? '{}') as { action?: string }
      return action === undefined ? [] : [action]
    })
    expect(new Set(actions)).toEqual(new Set(['list', 'show', 'replay', 'discard']))
  })

  it.each([['list', '--limit', 'many'], ['list', '--format', 'xml'], ['show', 'none'], ['nothing']])(
    'ends with 2: quarantine %s %s %s',
    async (...args) => {
      expect(await cli('quarantine', ...args.filter((arg) => arg !== undefined))).toMatchObject({ code: 2 })
    },
  )

  it('ends with 1 when there is nothing under an id', async () => {
    expect(await cli('quarantine', 'show', '5')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing is kept'),
    })
  })

  it('replays a log record', async () => {
    const { url } = await startGateway(database.url)
    const traceId = 'ef'.repeat(16)
    await post(url, logsOf([{ timeUnixNano: '5', eventName: 'secret.access', traceId, attributes: ACCESS }]))
    const [item] = (await kept()).slice(-1)
    expect(await cli('quarantine', 'replay', item?.id ?? '', '--clock-claimed')).toMatchObject({ code: 0 })
    expect((await readTrail(owner)).filter(({ event }) => event.traceId === traceId)).toHaveLength(1)
  })
})

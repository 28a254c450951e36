import { PostgresAuditSink } from 'otel-audit'
import { CSV_HEAD, type EvidenceSource, type RowVerdict } from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { waitUntil } from '../support/wait-until.js'
import { PATH, served, TOKEN } from './served.js'

const CANARY = 'canary-credential-77e0'
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }

let database: TestDatabase
let client: Client
let anId: bigint

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  const events = Array.from({ length: 2500 }, (_, i) =>
    anEvent({
      credential: CANARY,
      outcome: i % 10 === 0 ? 'no_pubkey' : 'ok',
      notes: i === 7 ? '=1+1' : 'plain',
    }),
  )
  anId = events[0]?.auditId ?? 0n
  for (let i = 0; i < events.length; i += 500) await sink.write(batchOf(...events.slice(i, i + 500)))
  await sink.close()
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

interface ReadRow {
  readonly operation: string
  readonly outcome: string
  readonly actor_id: string
  readonly source_address: string
  readonly attributes: Record<string, unknown>
  readonly id: string
}

/** Rows about reads, oldest first, since the last call. */
async function newReads(): Promise<ReadRow[]> {
  const { rows } = await client.query<ReadRow>(
    `select operation, outcome, actor_id, source_address, attributes, audit_id::text as id from noetl.secret_audit
     where operation like '%_trail' and audit_id > $1 order by audit_id`,
    [seen],
  )
  seen = rows.at(-1)?.id ?? seen
  return rows
}
let seen = '0'

describe('every read leaves a row with the reader and the filter', () => {
  test.each([
    [
      `?credential=${CANARY}&outcome=not-ok&limit=7`,
      { what: 'rows', rows: 7, filter: { credential: CANARY, outcome: 'not-ok' } },
    ],
    ['?credential=nothing', { what: 'rows', rows: 0, filter: { credential: 'nothing' } }],
    [`/summary?credential=${CANARY}`, { what: 'summary', rows: 1, filter: { credential: CANARY } }],
    [
      `/histogram?credential=${CANARY}&from=2026-01-01&to=2026-01-02`,
      {
        what: 'histogram',
        filter: {
          credential: CANARY,
          from: '2026-01-01T00:00:00.000000Z',
          to: '2026-01-02T00:00:00.000000Z',
        },
      },
    ],
    ['/chains?limit=3', { what: 'chains', filter: {} }],
    [
      '/coverage?service_name=orders&at=2026-01-01',
      { what: 'coverage', rows: 0, filter: { service_name: 'orders', at: '2026-01-01T00:00:00.000000Z' } },
    ],
    ['/retired', { what: 'retired', rows: 0, filter: {} }],
    ['/123456', { what: 'row', rows: 0, filter: { audit_id: '123456' } }],
  ])('%s', async (path, { filter, ...attributes }) => {
    const { get } = await served(database.url)
    await newReads()
    expect((await get(PATH + path)).status).toBeOneOf([200, 404])
    const [row, ...more] = await newReads()
    expect(more).toEqual([])
    expect(row).toMatchObject({
      operation: 'query_trail',
      outcome: 'ok',
      actor_id: 'internal-api-token',
      source_address: '127.0.0.1',
      attributes: { ...attributes, via: 'http' },
    })
    expect(JSON.parse(String(row?.attributes['filter']))).toEqual(filter)
  })

  test('a relative time is written as the one it was', async () => {
    const { get } = await served(database.url)
    await newReads()
    await get(`${PATH}?credential=${CANARY}&from=-1h`)
    const [row] = await newReads()
    const { from } = JSON.parse(String(row?.attributes['filter'])) as { from: string }
    expect(Math.abs(Date.parse(from) - (Date.now() - 3_600_000))).toBeLessThan(60_000)
  })

  test('an export: one that it begins, before its first byte, and one how it ended', async () => {
    const { get } = await served(database.url)
    await newReads()
    const { text, headers } = await get(`${PATH}?credential=${CANARY}`, {
      ...AUTHORIZED,
      accept: 'application/x-ndjson',
    })
    expect(headers.get('content-type')).toBe('application/x-ndjson')
    const lines = text.trimEnd().split('\n')
    expect(new Set(lines.map((line) => (JSON.parse(line) as { audit_id: string }).audit_id)).size).toBe(2500)
    let rows: ReadRow[] = []
    await waitUntil('the end to be recorded', async () => {
      rows = [...rows, ...(await newReads())]
      return rows.length === 2
    })
    expect(rows).toMatchObject([
      { operation: 'export_trail', outcome: 'started', attributes: { what: 'export' } },
      { operation: 'export_trail', outcome: 'ok', attributes: { what: 'export', rows: 2500 } },
    ])
    expect(rows[0]?.attributes).not.toHaveProperty('rows')
  })

  test('an export that the client leaves says so', async () => {
    const { url } = await served(database.url)
    await newReads()
    const stop = new AbortController()
    const response = await fetch(`${url}${PATH}`, {
      headers: { ...AUTHORIZED, accept: 'text/csv' },
      signal: stop.signal,
    })
    const reader = response.body?.getReader()
    const first = await reader?.read()
    expect(new TextDecoder().decode(first?.value)).toContain(CSV_HEAD.trim())
    stop.abort()
    let rows: ReadRow[] = []
    await waitUntil('the end to be recorded', async () => {
      rows = [...rows, ...(await newReads())]
      return rows.length === 2
    })
    expect(rows[1]?.outcome).toBeOneOf(['stopped', 'ok'])
    expect(rows[1]?.attributes['rows']).toBeTypeOf('number')
  })

  test('when that row cannot be written nothing is shown: 503, and not a word of what was found', async () => {
    const audit = { recordStrict: () => Promise.reject(new Error('the disk is full')), recordAsync: () => 0n }
    const { get } = await served(database.url, { audit })
    for (const path of [`?credential=${CANARY}`, `/${anId}`, '/summary', '/histogram?from=-1h']) {
      const answer = await get(PATH + path)
      expect(answer.status).toBe(503)
      expect(answer.text).not.toContain(CANARY)
      expect(answer.text).not.toContain('disk')
    }
    const stream = await get(`${PATH}?credential=${CANARY}`, { ...AUTHORIZED, accept: 'text/csv' })
    expect(stream.status).toBe(503)
    expect(stream.text).not.toContain(CANARY)
  })
})

describe('a row', () => {
  test('is shown with what verifying it found, when the server can', async () => {
    const evidence: RowVerdict = {
      status: 'verified',
      findings: [],
      block: 'otel-audit/block/v1\n',
      proof: ['aGFzaA=='],
    }
    const asked: bigint[] = []
    const source: EvidenceSource = {
      evidenceOf: async (auditId) => {
        asked.push(auditId)
        return evidence
      },
    }
    const { get } = await served(database.url, { evidence: source })
    const { body } = await get(`${PATH}/${anId}`)
    expect(body).toMatchObject({ row: { audit_id: String(anId), credential: CANARY }, evidence })
    expect(asked).toEqual([anId])
    expect((await (await served(database.url)).get(`${PATH}/${anId}`)).body).toMatchObject({ evidence: null })
  })
})

describe('formats', () => {
  test('ids are strings; numbers for clients of the original', async () => {
    const { get } = await served(database.url)
    const { text } = await get(`${PATH}/${anId}?ids=number`)
    expect(text).toContain(`"audit_id":${anId},`)
    expect((await get(`${PATH}?credential=${CANARY}&limit=1`)).text).toMatch(/"audit_id":"\d+",/)
  })

  test('has all keys of the original', async () => {
    const { get } = await served(database.url)
    const { body } = await get(`${PATH}?credential=${CANARY}&limit=1`)
    const [row] = body['rows'] as Record<string, unknown>[]
    for (const key of [
      'audit_id',
      'occurred_at',
      'credential',
      'operation',
      'outcome',
      'worker_id',
      'execution_id',
      'parent_execution_id',
      'server_region',
      'broker_region',
      'kek_version',
      'notes',
    ]) {
      expect(row).toHaveProperty(key)
    }
  })

  test('CSV guards what a spreadsheet could execute; with a limit there is a page, and a link to the next', async () => {
    const { get, url } = await served(database.url)
    const csv = { ...AUTHORIZED, accept: 'text/csv' }
    const whole = await get(`${PATH}?credential=${CANARY}`, csv)
    expect(whole.headers.get('content-disposition')).toBe('attachment; filename="secret-audit.csv"')
    expect(whole.text.split('\r\n')).toHaveLength(2502)
    expect(whole.text).toContain(`,"'=1+1",`)
    const page = await get(`${PATH}?credential=${CANARY}&limit=3`, csv)
    expect(page.text.split('\r\n')).toHaveLength(5)
    const [, next = ''] = /<(.+)>; rel="next"/.exec(page.headers.get('link') ?? '') ?? []
    const second = await fetch(url + next, { headers: csv })
    expect((await second.text()).split('\r\n')[1]).not.toBe(page.text.split('\r\n')[1])
  })
})

import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type pg from 'pg'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { auditSpan, protobufOf, text, tracesOf } from '../support/gateway/requests.js'
import { peakMemory, startGatewayProcess } from './gateway-process.js'
import { post } from './running.js'

/** A container that somebody gave half a GiB. */
const MOST_MIB = 512

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

/** A field of a length. */
function field(number: number, bytes: Buffer): Buffer {
  const head = [(number << 3) | 2]
  let left = bytes.length
  for (; left > 0x7f; left = Math.floor(left / 128)) head.push((left & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([...head, left]), bytes])
}

/** A resource with so many events that have nothing but their name: 17 bytes each. */
function namesOnly(count: number): Buffer {
  const event = field(11, field(2, Buffer.from('secret.access')))
  const span = field(2, Buffer.concat(Array.from({ length: count }, () => event)))
  return field(1, field(2, span))
}

describe('what takes a multiple of its length', () => {
  const cases: [string, () => [Buffer, Record<string, string>], number][] = [
    ['a resource with a million events that are nothing but a name', () => [namesOnly(1_000_000), {}], 413],
    [
      'JSON with millions of empty objects',
      () => [
        Buffer.from(
          `{"resourceSpans":[{"x":"secret.access","y":[${'{},'.repeat(15_000_000)}{}],"scopeSpans":[]}]}`,
        ),
        { 'content-type': 'application/json' },
      ],
      413,
    ],
    [
      'the same, compressed to next to nothing',
      () => [
        gzipSync(
          `{"resourceSpans":[{"x":"secret.access","y":[${'[],'.repeat(15_000_000)}[]],"scopeSpans":[]}]}`,
        ),
        { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      ],
      413,
    ],
    [
      'many resources with 30,000 such events each',
      () => [Buffer.concat(Array.from({ length: 8 }, () => namesOnly(30_000))), {}],
      200,
    ],
  ]

  it.each(cases)('%s: takes a bounded memory', async (_, made, expected) => {
    const gateway = await startGatewayProcess(database.url)
    const [body, headers] = made()
    let status = 503
    // Of many, some are stored with each attempt.
    while (status === 503) ({ status } = await post(gateway.url, body, { headers }))
    expect(status).toBe(expected)
    expect(peakMemory(gateway.child) ?? 0).toBeLessThan(MOST_MIB)
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
  })
})

describe('a flood while Postgres is locked', () => {
  it('is refused by 503 with Retry-After; held is a bounded part of it, and all that is acknowledged is there once', async () => {
    const gateway = await startGatewayProcess(database.url)
    expect((await post(gateway.url, tracesOf([auditSpan()]))).status).toBe(200)
    await owner.query('begin; lock table noetl.secret_audit_block in exclusive mode')
    const counts = { refused: 0, acknowledged: 0 }
    let unlocked: Promise<unknown> | undefined
    const sender = async (name: string): Promise<void> => {
      const request = protobufOf(
        tracesOf(
          Array.from({ length: 512 }, () => auditSpan()),
          [text('service.name', name)],
        ),
      )
      for (;;) {
        // A machine that is loaded too much may take longer to read a body than it may.
        const answer = await post(gateway.url, request).catch(() => undefined)
        if (answer?.status === 200) break
        if (answer !== undefined) expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
        if (++counts.refused === 60) unlocked = owner.query('commit')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      counts.acknowledged += 512
    }
    // More than is held.
    await Promise.all(Array.from({ length: 36 }, (_, i) => sender(`flood-${i}`)))
    await unlocked
    expect(counts.refused).toBeGreaterThanOrEqual(60)
    const { rows } = await owner.query<{ n: string }>(
      `select count(*) as n from noetl.secret_audit where service_name like 'flood-%'`,
    )
    expect(Number(rows[0]?.n)).toBe(counts.acknowledged)
    expect(peakMemory(gateway.child) ?? 0).toBeLessThan(MOST_MIB)
  })
})

import { request } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { PostgresAuditSink } from 'otel-audit'
import { Trail } from 'otel-audit/query'
import { PATH, served, TOKEN } from './served.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  for (let i = 0; i < 5; i++) await sink.write(batchOf(anEvent({ credential: 'orders-db' })))
  await sink.close()
})

afterAll(() => database.drop())

const injection = encodeURIComponent(`x'); drop table noetl.secret_audit; --`)
const long = (n: number): string => 'x'.repeat(n)

/** What a database or a stack says, and no answer may. */
const LEAKS = /select |from noetl|syntax error|relation|SQLSTATE|postgres|at \w+ \(|node:internal|\.js:\d+/i

const BAD: readonly (readonly [query: string, parameter: string])[] = [
  ['limit=0', 'limit'],
  ['limit=10001', 'limit'],
  ['limit=abc', 'limit'],
  ['limit=1e9', 'limit'],
  ['limit=', 'limit'],
  ['limit=5&limit=6', 'limit'],
  [`limit=${injection}`, 'limit'],
  ['limit[]=5', 'limit[]'],
  ['credential=', 'credential'],
  ['credential=%00', 'credential'],
  ['credential=a%0Ab', 'credential'],
  [`credential=${long(600)}`, 'credential'],
  [`credential=${long(12_000)}`, 'credential'],
  ['credential=a&credential=b', 'credential'],
  ['operation=GET', 'operation'],
  [`operation=${injection}`, 'operation'],
  [`outcome=${injection}`, 'outcome'],
  ['worker_id=w', 'worker_id'],
  [`worker_id=${long(300)}&from=-1h`, 'worker_id'],
  ['execution_id=1.5', 'execution_id'],
  ['execution_id=99999999999999999999', 'execution_id'],
  [`execution_id=${injection}`, 'execution_id'],
  [`parent_execution_id=${injection}&from=-1h`, 'parent_execution_id'],
  ['actor_id=jane', 'actor_id'],
  ['service_name=%7F&from=-1h', 'service_name'],
  ['trace_id=xyz&from=-1h', 'trace_id'],
  [`server_region=${long(200)}&from=-1h`, 'server_region'],
  ['kek_version=&from=-1h', 'kek_version'],
  ['from=yesterday', 'from'],
  [`from=${injection}`, 'from'],
  ['from=2026-02-30', 'from'],
  ['from=-1h&to=-2h', 'from'],
  [`to=${injection}`, 'to'],
  ['settled=maybe', 'settled'],
  ['settled=999999999999999999', 'settled'],
  ['cursor=x', 'cursor'],
  [`cursor=${'A'.repeat(87)}`, 'cursor'],
  [`cursor=${injection}`, 'cursor'],
  ['ids=float', 'ids'],
  ['since=-1h', 'since'],
  ['crednetial=a', 'crednetial'],
  [`${injection}=1`, decodeURIComponent(injection)],
  ['__proto__=1', '__proto__'],
  ['constructor=1', 'constructor'],
]

describe('bad input', () => {
  test.each(BAD)('%s is a problem document that names %s', async (query, parameter) => {
    const { get } = await served(database.url)
    const { status, headers, body, text } = await get(`${PATH}?${query}`)
    expect({ status, type: headers.get('content-type') }).toEqual({
      status: 400,
      type: 'application/problem+json',
    })
    expect(body).toMatchObject({ title: 'Bad Request', status: 400, code: 'AUDIT_INVALID_QUERY', parameter })
    expect(String(body['detail']).length).toBeGreaterThan(10)
    expect(text.replace(decodeURIComponent(injection), '')).not.toMatch(LEAKS)
    expect(text.length).toBeLessThan(1500)
  })

  test.each([
    ['/histogram?buckets=0', 'buckets'],
    ['/histogram?buckets=x', 'buckets'],
    ['/histogram?limit=0', 'limit'],
    ['/histogram?cursor=x', 'cursor'],
    ['/histogram?from=2999-01-01', 'from'],
    ['/summary?cursor=x', 'cursor'],
    ['/chains?limit=0', 'limit'],
    ['/chains?from=-1h', 'from'],
    ['/coverage?at=yesterday', 'at'],
    ['/coverage?from=-1h', 'from'],
    ['/coverage?limit=0', 'limit'],
    ['/summary?limit=0', 'limit'],
    ['/summary?by=notes', 'by'],
    ['/summary?ids=number', 'ids'],
    ['/0x10', 'audit_id'],
    ['/-5', 'audit_id'],
    ['/9223372036854775808', 'audit_id'],
    [`/${injection}`, 'audit_id'],
    ['/5?credential=a', 'credential'],
  ])('so is %s: %s', async (path, parameter) => {
    const { get } = await served(database.url)
    const { status, body, text } = await get(PATH + path)
    expect(status).toBe(400)
    expect(body).toMatchObject({ parameter })
    expect(text.replace(decodeURIComponent(injection), '')).not.toMatch(LEAKS)
  })

  test('SQL where a text may be anything is just a text', async () => {
    const { get } = await served(database.url)
    for (const name of [
      'credential',
      'worker_id',
      'actor_id',
      'source_address',
      'service_name',
      'server_region',
      'kek_version',
    ]) {
      const { status, body } = await get(`${PATH}?from=-1h&${name}=${injection}`)
      expect({ status, rows: body['rows'] }).toEqual({ status: 200, rows: [] })
    }
    expect((await get(`${PATH}?credential=orders-db`)).body['rows']).toHaveLength(5)
  })

  test('a cursor that was cut, tampered with, or is of other filters or of another server', async () => {
    const { get } = await served(database.url)
    const { body } = await get(`${PATH}?credential=orders-db&limit=2`)
    const cursor = String(body['next_cursor'])
    expect((await get(`${PATH}?credential=orders-db&limit=2&cursor=${cursor}`)).status).toBe(200)
    const flipped = (cursor[5] === 'A' ? 'B' : 'A') + cursor.slice(6)
    const foreign = await (await served(database.url)).get(`${PATH}?credential=orders-db&limit=2`)
    for (const bad of [
      `credential=orders-db&cursor=${cursor.slice(0, -2)}`,
      `credential=orders-db&cursor=${cursor.slice(0, 5)}${flipped}`,
      `credential=orders-db&cursor=${String(foreign.body['next_cursor'])}`,
      `credential=orders-dc&cursor=${cursor}`,
      `cursor=${cursor}`,
    ]) {
      const answer = await get(`${PATH}?${bad}`)
      expect({ status: answer.status, parameter: answer.body['parameter'] }).toEqual({
        status: 400,
        parameter: 'cursor',
      })
    }
  })

  test('a database that is away, that hangs, or that lacks the tables is a problem of ours: no word of it gets out', async () => {
    const away = new Trail({
      databaseUrl: 'postgres://canary-user:canary-password@127.0.0.1:1/canary_database',
    })
    const { get } = await served(database.url, { trail: away })
    for (const path of [PATH, `${PATH}/5`, `${PATH}/summary`, '/readyz']) {
      const { status, text } = await get(path)
      expect(status).toBe(503)
      expect(text).not.toMatch(/canary|ECONNREFUSED|127\.0\.0\.1/)
      expect(text).not.toMatch(LEAKS)
    }
    const owner = await connect(database.url)
    await owner.query('begin; lock table noetl.secret_audit in access exclusive mode')
    const impatient = await served(database.url, {
      trail: new Trail({ databaseUrl: database.url, timeoutMs: 200 }),
    })
    const { status, body, text } = await impatient.get(PATH)
    await owner.query('rollback')
    await owner.end()
    expect({ status, code: body['code'] }).toEqual({ status: 504, code: 'AUDIT_READ_TIMEOUT' })
    expect(text).not.toMatch(LEAKS)
    const elsewhere = new Trail({ databaseUrl: database.url, schema: 'canary_schema' })
    const without = await (await served(database.url, { trail: elsewhere })).get(PATH)
    expect(without.status).toBe(503)
    expect(without.text).not.toContain('canary_schema')
  })

  test('another method is 405, a body 413, another path 404, another type 406', async () => {
    const { url, get } = await served(database.url)
    const authorization = `Bearer ${TOKEN}`
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await fetch(url + PATH, { method, headers: { authorization }, body: 'x' })
      expect({ status: answer.status, allow: answer.headers.get('allow') }).toEqual({
        status: 405,
        allow: 'GET, HEAD',
      })
    }
    const withBody = request(`${url}${PATH}`, {
      method: 'GET',
      headers: { authorization, 'content-length': 1 },
    })
    withBody.end('x')
    const [response] = (await once(withBody, 'response')) as [{ statusCode: number; resume(): void }]
    response.resume()
    expect(response.statusCode).toBe(413)
    for (const path of ['/nothing', `${PATH}/5/more`, '/api/internal', '/..%2f..%2fetc/passwd']) {
      const { status, headers } = await get(path)
      expect({ status, type: headers.get('content-type') }).toEqual({
        status: 404,
        type: 'application/problem+json',
      })
    }
    expect((await get(PATH, { authorization, accept: 'image/png' })).status).toBe(406)
    expect((await fetch(url + PATH, { method: 'HEAD', headers: { authorization } })).status).toBe(200)
  })

  test('what is too large for the parser, and what is no HTTP, is a problem document too', async () => {
    const { url, get } = await served(database.url)
    const { status, body } = await get(`${PATH}?credential=${long(40_000)}`)
    expect({ status, title: body['title'] }).toEqual({
      status: 431,
      title: 'Request Header Fields Too Large',
    })
    const socket = connectSocket(Number(new URL(url).port), '127.0.0.1')
    socket.end('this is no HTTP\r\n\r\n')
    let said = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    await once(socket, 'close')
    expect(said).toMatch(/^HTTP\/1\.1 400 Bad Request\r\ncontent-type: application\/problem\+json\r\n/)
  })
})

import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type pg from 'pg'
import { ServicePolicy } from '../../src/gateway/service-policy.js'
import { namedTokens } from '../../src/server/named-tokens.js'
import { oidc } from '../../src/server/oidc.js'
import { listening } from '../service/telemetry.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { ACCESS, auditSpan, protobufOf, text, tracesOf } from '../support/gateway/requests.js'
import { readTrail } from '../support/trail.js'
import { post, startGateway } from './running.js'

const CERTIFICATES = join(import.meta.dirname, 'certificates')
const TOKEN = 'canary-token-4d1e'
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

let database: TestDatabase
let owner: pg.Client
let said: string[]

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

beforeEach(() => {
  said = listening()
})

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'otel-audit-senders-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

/** What the row of a trace says of how it came. */
async function saidOf(traceId: string): Promise<Record<string, unknown>> {
  const [row] = (await readTrail(owner)).filter(({ event }) => event.traceId === traceId)
  return JSON.parse(row?.event.attributesJson ?? '{}') as Record<string, unknown>
}

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex')

function tokens(...lines: readonly [string, string][]): string {
  const file = join(directory(), 'tokens')
  writeFileSync(file, lines.map(([name, token]) => `${name}:${sha256(token)}\n`).join(''))
  return file
}

describe('a sender with a token', () => {
  it('is in the row by its name; without one it is told so, and with a wrong one to come again', async () => {
    const authenticator = await namedTokens(tokens(['collector-eu', TOKEN]))
    const { url } = await startGateway(database.url, { authenticator, host: '127.0.0.1' })
    const span = auditSpan()
    const request = protobufOf(tracesOf([span]))
    expect(await post(url, request)).toMatchObject({ status: 401 })
    expect(await post(url, request, bearer('wrong'))).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    })
    expect(await post(url, request, { headers: { authorization: 'Basic eDp5' } })).toMatchObject({
      status: 503,
    })
    expect((await readTrail(owner)).filter(({ event }) => event.traceId === span.traceId)).toEqual([])
    expect(await post(url, request, bearer(TOKEN))).toMatchObject({ status: 200 })
    expect(await saidOf(span.traceId)).toMatchObject({ 'gateway.sender': 'collector-eu' })
    for (let i = 0; i < 20; i++) await post(url, request, bearer('wrong'))
    // One line for each reason, however often.
    expect(said.filter((line) => line.includes('does not hold'))).toHaveLength(2)
    expect(said.filter((line) => line.includes(TOKEN) || line.includes('wrong'))).toEqual([])
  })

  it('hears 401 for a wrong one where that is asked for', async () => {
    const authenticator = await namedTokens(tokens(['collector-eu', TOKEN]))
    const { url } = await startGateway(database.url, { authenticator, rejectBadCredentials: true })
    expect(await post(url, tracesOf([auditSpan()]), bearer('wrong'))).toMatchObject({ status: 401 })
  })

  it('whose issuer is away is told to come again', async () => {
    const authenticator = await oidc({
      issuer: 'http://127.0.0.1:1',
      audience: 'a',
      role: 'r',
      roleClaim: 'roles',
    })
    const { url } = await startGateway(database.url, { authenticator })
    expect(await post(url, tracesOf([auditSpan()]), bearer('a.b.c'))).toMatchObject({ status: 503 })
  })

  it('sees why the database is away, and nobody else does', async () => {
    const authenticator = await namedTokens(tokens(['collector-eu', TOKEN]))
    const away = new URL(database.url)
    away.port = '1'
    const { url } = await startGateway(away.href, { authenticator, limits: { deadlineMs: 50 } })
    expect((await post(url, tracesOf([auditSpan()]), bearer(TOKEN))).status).toBe(503)
    const health = async (headers = {}) => (await fetch(`${url}/healthz`, { headers })).text()
    expect(await health()).toBe('unavailable\n')
    expect(await health({ authorization: `Bearer ${TOKEN}` })).toContain('ECONNREFUSED')
  })
})

describe('a sender with a client certificate', () => {
  const file = (name: string): string => join(CERTIFICATES, name)

  /** The status of a request, and the certificate that the gateway showed. */
  function send(url: string, body: Buffer, name?: string): Promise<{ status: number; serial: string }> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        new URL('/v1/traces', url),
        {
          method: 'POST',
          agent: false,
          ca: readFileSync(file('ca.pem')),
          ...(name !== undefined && {
            cert: readFileSync(file(`${name}.pem`)),
            key: readFileSync(file(`${name}.key`)),
          }),
          headers: { 'content-type': 'application/x-protobuf', 'content-length': body.length },
        },
        (response) => {
          const { serialNumber } = (response.socket as import('node:tls').TLSSocket).getPeerCertificate()
          response
            .resume()
            .on('end', () => resolve({ status: response.statusCode ?? 0, serial: serialNumber }))
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  }

  it('is in the row by the URI in it; none is 401, one of somebody else or without a name is to come again', async () => {
    const tls = { cert: file('gateway.pem'), key: file('gateway.key'), clientCa: file('ca.pem') }
    const { url } = await startGateway(database.url, { tls, host: '127.0.0.1' })
    expect(url).toMatch(/^https:/)
    const span = auditSpan()
    const body = protobufOf(tracesOf([span]))
    expect(await send(url, body)).toMatchObject({ status: 401 })
    expect(await send(url, body, 'stranger')).toMatchObject({ status: 503 })
    expect(await send(url, body, 'nameless')).toMatchObject({ status: 503 })
    expect(await send(url, body, 'collector')).toMatchObject({ status: 200 })
    expect(await saidOf(span.traceId)).toMatchObject({ 'gateway.sender': 'spiffe://example.org/collector' })
  })

  it('may go on when the gateway has got a new certificate; one that cannot be used changes nothing', async () => {
    const at = directory()
    const tls = { cert: join(at, 'cert'), key: join(at, 'key'), clientCa: file('ca.pem') }
    const use = (name: string) => {
      copyFileSync(file(`${name}.pem`), tls.cert)
      copyFileSync(file(`${name}.key`), tls.key)
    }
    use('gateway')
    const gateway = await startGateway(database.url, { tls })
    const body = protobufOf(tracesOf([auditSpan()]))
    const before = await send(gateway.url, body, 'collector')
    writeFileSync(tls.cert, 'half a certificate')
    await gateway.reload()
    expect(await send(gateway.url, body, 'collector')).toEqual(before)
    expect(said.some((line) => line.includes('stays'))).toBe(true)
    use('gateway-renewed')
    await gateway.reload()
    const after = await send(gateway.url, body, 'collector')
    expect(after.status).toBe(200)
    expect(after.serial).not.toBe(before.serial)
  })
})

describe('a service', () => {
  it('that its sender may not speak for is stored all the same, and marked; the policy may change', async () => {
    const file = join(directory(), 'policy.json')
    writeFileSync(file, JSON.stringify({ anonymous: ['billing-*'] }))
    const policy = await ServicePolicy.read(file)
    const gateway = await startGateway(database.url, { policy })
    const mismatchOf = async (service: string): Promise<unknown> => {
      const span = auditSpan()
      expect(await post(gateway.url, tracesOf([span], [text('service.name', service)]))).toMatchObject({
        status: 200,
      })
      return (await saidOf(span.traceId))['gateway.mismatch']
    }
    expect(await mismatchOf('billing-eu')).toBeUndefined()
    expect(await mismatchOf('orders')).toBe(true)
    writeFileSync(file, '{"anonymous": "orders"}')
    await gateway.reload()
    expect(await mismatchOf('orders')).toBe(true)
    writeFileSync(file, JSON.stringify({ '*': ['orders'] }))
    await gateway.reload()
    expect(await mismatchOf('orders')).toBeUndefined()
  })

  it.each([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['a pattern that is none', '{"a": [1]}'],
  ])('has no policy in a file that is %s', async (_, content) => {
    const file = join(directory(), 'policy.json')
    writeFileSync(file, content)
    await expect(ServicePolicy.read(file)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field: 'policyFile',
    })
  })
})

describe('what only the gateway and the product may say', () => {
  it.each([
    'audit_gap',
    'audit_lifecycle',
    'audit_quarantine',
    'query_trail',
    'export_trail',
    'audit_anything',
  ])('the operation %s from outside is a claim, once', async (operation) => {
    const { url } = await startGateway(database.url)
    const span = auditSpan({
      attributes: [
        ...ACCESS.filter(({ key }) => !key.endsWith('operation')),
        text('secret_audit.operation', operation),
      ],
    })
    for (let i = 0; i < 2; i++) expect((await post(url, tracesOf([span]))).status).toBe(200)
    const rows = (await readTrail(owner)).filter(({ event }) => event.traceId === span.traceId)
    expect(rows.map(({ event }) => event.operation)).toEqual([`claimed_${operation}`])
    expect(await saidOf(span.traceId)).toMatchObject({ 'gateway.mismatch': true })
  })

  it('attributes of the gateway’s are renamed, and a large event loses none of its own for them', async () => {
    const { url } = await startGateway(database.url)
    const own = { 'gateway.sender': 'me', 'gateway.received_at': 1, long: 'x'.repeat(3900) }
    const span = auditSpan({ attributes: [...ACCESS, text('secret_audit.attributes', JSON.stringify(own))] })
    for (let i = 0; i < 2; i++) expect((await post(url, tracesOf([span]))).status).toBe(200)
    expect((await readTrail(owner)).filter(({ event }) => event.traceId === span.traceId)).toHaveLength(1)
    expect(await saidOf(span.traceId)).toEqual({
      'claimed.gateway.received_at': 1,
      'claimed.gateway.sender': 'me',
      'gateway.received_at': expect.any(Number),
      'gateway.sender': 'anonymous',
      long: own.long,
    })
  })

  it('an event that was cut, or of which something was left out, is marked', async () => {
    const { url } = await startGateway(database.url)
    const spans = [
      auditSpan({ dropped: 2 }),
      auditSpan({ attributes: [...ACCESS, text('secret_audit.chars', '99')] }),
      auditSpan({ attributes: [...ACCESS, text('secret_audit.chars', '27')] }),
    ]
    expect((await post(url, tracesOf(spans))).status).toBe(200)
    const marks = await Promise.all(
      spans.map(async ({ traceId }) => (await saidOf(traceId))['gateway.truncated']),
    )
    expect(marks).toEqual([true, true, undefined])
  })
})

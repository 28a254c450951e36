import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { Agent, request as httpsRequest } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type pg from 'pg'
import { ServicePolicy } from '../../src/gateway/service-policy.js'
import { namedTokens } from '../../src/server/named-tokens.js'
import { oidc } from '../../src/server/oidc.js'
import { listening } from '../service/telemetry.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { auditSpan, protobufOf, tracesOf } from '../support/gateway/requests.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'
import { post, startGateway } from './running.js'

const CERTIFICATES = join(import.meta.dirname, 'certificates')

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

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'otel-audit-credentials-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

const rowsOf = async (traceId: string) =>
  (await readTrail(owner)).filter(({ event }) => event.traceId === traceId)

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

describe('a token that is rotated', () => {
  it('costs no event: a sender whose new token is not known yet hears 503 until it is', async () => {
    const file = join(directory(), 'tokens')
    const line = (token: string) => `collector:${createHash('sha256').update(token).digest('hex')}\n`
    writeFileSync(file, line('canary-old-11'))
    const { url } = await startGateway(database.url, { authenticator: await namedTokens(file) })
    const span = auditSpan()
    const request = protobufOf(tracesOf([span]))
    const send = async (token: string) => (await post(url, request, bearer(token))).status
    expect(await send('canary-new-22')).toBe(503)
    writeFileSync(file, line('canary-old-11') + line('canary-new-22'))
    await waitUntil('the new token is known', async () => (await send('canary-new-22')) === 200)
    expect(await send('canary-old-11')).toBe(200)
    writeFileSync(file, line('canary-new-22'))
    await waitUntil('the old token is not', async () => (await send('canary-old-11')) === 503)
    expect(await send('canary-new-22')).toBe(200)
    expect(await rowsOf(span.traceId)).toHaveLength(1)
  })
})

describe('an issuer whose keys are not to be had', () => {
  const options = { audience: 'a', role: 'r', roleClaim: 'roles' }

  it('is no reason for a final answer, also where bad credentials get one', async () => {
    const authenticator = await oidc({ issuer: 'http://127.0.0.1:1', ...options })
    const { url } = await startGateway(database.url, { authenticator, rejectBadCredentials: true })
    expect((await post(url, tracesOf([auditSpan()]), bearer('a.b.c'))).status).toBe(503)
  })

  it('and is silent: the sender is told in the time that it waits, while the gateway still asks', async () => {
    const open = new Set<object>()
    const silent = createServer((socket) => {
      open.add(socket)
      socket.on('error', () => {}).on('close', () => open.delete(socket))
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void silent.close())
    await once(silent, 'listening')
    const issuer = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const authenticator = await oidc({ issuer, ...options })
    const { url } = await startGateway(database.url, { authenticator, limits: { deadlineMs: 50 } })
    expect(await post(url, tracesOf([auditSpan()]), bearer('a.b.c'))).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    })
    expect(open.size).toBe(1)
  })
})

describe('authorities of client certificates that are changed', () => {
  it('hold for connections that are open, too', async () => {
    const file = (name: string): string => join(CERTIFICATES, name)
    const clientCa = join(directory(), 'ca.pem')
    copyFileSync(file('ca.pem'), clientCa)
    const tls = { cert: file('gateway.pem'), key: file('gateway.key'), clientCa }
    const gateway = await startGateway(database.url, { tls, rejectBadCredentials: true })
    const agent = new Agent({
      keepAlive: true,
      maxSockets: 1,
      ca: readFileSync(file('ca.pem')),
      cert: readFileSync(file('collector.pem')),
      key: readFileSync(file('collector.key')),
    })
    onTestFinished(() => agent.destroy())
    const body = protobufOf(tracesOf([auditSpan()]))
    const send = () =>
      new Promise<{ status: number; reused: boolean }>((resolve, reject) => {
        const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length }
        const sent = httpsRequest(
          new URL('/v1/traces', gateway.url),
          { method: 'POST', agent, headers },
          (answer) => {
            answer
              .resume()
              .on('end', () => resolve({ status: answer.statusCode ?? 0, reused: sent.reusedSocket }))
          },
        )
        sent.on('error', reject).end(body)
      })
    expect(await send()).toEqual({ status: 200, reused: false })
    // The same authorities, read again, change nothing.
    await gateway.reload()
    expect(await send()).toEqual({ status: 200, reused: true })
    copyFileSync(file('stranger.pem'), clientCa)
    await gateway.reload()
    // It is told to come again, on a connection that is checked by what holds now; there its certificate is a bad one.
    expect(await send()).toEqual({ status: 503, reused: true })
    expect(await send()).toEqual({ status: 401, reused: false })
    copyFileSync(file('ca.pem'), clientCa)
    await gateway.reload()
    expect(await send()).toEqual({ status: 200, reused: false })
  })
})

describe('a policy', () => {
  const allows = async (pattern: string, service: string): Promise<boolean> => {
    const file = join(directory(), 'policy.json')
    writeFileSync(file, JSON.stringify({ '*': [pattern] }))
    return (await ServicePolicy.read(file)).allows('x', service)
  }

  it.each([
    ['orders', 'orders', true],
    ['orders', 'orders-eu', false],
    ['*', '', true],
    ['a*', 'a', true],
    ['*a', 'ba', true],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'acb', false],
    ['a**c', 'abc', true],
    ['*.eu.*', 'x.eu.y', true],
    ['a.c', 'abc', false],
  ])('%s for %s: %s', async (pattern, service, expected) => {
    expect(await allows(pattern, service)).toBe(expected)
  })

  it('of many stars is judged at once, whatever name a sender thinks of', async () => {
    expect(await allows('*a*a*a*a*a*a*a*b', 'a'.repeat(1_000_000))).toBe(false)
  })
})

import { createAudit, RecordingAuditSink } from 'otel-audit'
import {
  type Authenticator,
  createTrailApp,
  type OidcOptions,
  oidc,
  Problem,
  type ProblemDocument,
  SERVE_DEFAULTS,
  serveTrail,
  type TrailAppOptions,
  type TrailServer,
} from 'otel-audit/server'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { trailAt } from '../query/trail-at.js'
import { PATH } from './served.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

/** Whoever has a name may read, but for one. */
const byName: Authenticator = {
  async authenticate(request) {
    const name = request.headers.get('x-name')
    if (name === null) throw new Problem(401, 'Say who you are.')
    if (name === 'mallory') throw new Problem(403, 'Not you.', { hint: 'Ask somebody.' })
    return { actorId: name, actorType: 'user' }
  },
}

function options(sink: RecordingAuditSink): TrailAppOptions {
  const audit = createAudit({ sink })
  onTestFinished(() => audit.close())
  return { trail: trailAt(database), audit: audit.service, authenticator: byName }
}

describe('the trail in an application of one’s own', () => {
  test('is mounted beside its routes, and asks its authenticator', async () => {
    const sink = new RecordingAuditSink()
    const app = new Hono()
    app.get('/own', (c) => c.text('own'))
    app.route('/', createTrailApp(options(sink)))
    const get = (path: string, name?: string) =>
      app.fetch(new Request(`http://host${path}`, name === undefined ? {} : { headers: { 'x-name': name } }))
    expect(await (await get('/own')).text()).toBe('own')
    expect((await get(PATH)).status).toBe(401)
    const refused = await get(PATH, 'mallory')
    const document = (await refused.json()) as ProblemDocument
    expect(document).toEqual({
      type: 'about:blank',
      title: 'Forbidden',
      status: 403,
      detail: 'Not you.',
      hint: 'Ask somebody.',
    })
    expect((await get(PATH, 'jane')).status).toBe(200)
    expect(sink.events).toMatchObject([
      { outcome: 'unauthenticated', actorId: null, sourceAddress: null },
      { operation: 'query_trail', outcome: 'ok', actorId: 'jane', sourceAddress: null },
    ])
    expect(await (await get('/metrics')).json()).toMatchObject({
      status: 404,
      detail: 'This server exposes no metrics.',
      hint: expect.stringContaining('@opentelemetry/exporter-prometheus'),
    })
  })

  test('an authenticator that fails in another way lets nobody in, and says nothing', async () => {
    const authenticator: Authenticator = { authenticate: () => Promise.reject(new Error('canary-cause')) }
    const app = createTrailApp({ ...options(new RecordingAuditSink()), authenticator })
    const answer = await app.fetch(new Request(`http://host${PATH}`))
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('canary-cause')
  })

  test('listens on loopback by default, and closes once', async () => {
    expect(SERVE_DEFAULTS).toEqual({ host: '127.0.0.1', port: 8484 })
    const server: TrailServer = await serveTrail({ ...options(new RecordingAuditSink()), port: 0 })
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    await Promise.all([server.close(), server.close()])
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow()
  })

  test('an issuer may be named whose keys are asked for later', async () => {
    const settings: OidcOptions = {
      issuer: 'https://issuer.invalid',
      audience: 'a',
      role: 'r',
      roleClaim: 'roles',
    }
    expect((await oidc(settings)).authenticate).toBeTypeOf('function')
  })
})

import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type pg from 'pg'
import { CuttingProxy } from '../support/cutting-proxy.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { auditSpan, protobufOf, tracesOf } from '../support/gateway/requests.js'
import { verifiedTrail } from '../support/verified.js'
import { waitUntil } from '../support/wait-until.js'
import { otelAudit } from '../cli/otel-audit.js'
import { startGatewayProcess } from './gateway-process.js'
import { post } from './running.js'

let database: TestDatabase
let owner: pg.Client
/** A login with the writer role, and nothing else. */
let login: string

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  login = `${database.name}_gateway`
  await owner.query(`create role ${login} login password 'canary-password-90af' in role noetl_audit_writer`)
})

afterAll(async () => {
  await owner.query(`drop owned by ${login}; drop role ${login}`)
  await owner.end()
  await database.drop()
})

function writerUrl(of = database.url): string {
  const url = new URL(of)
  url.username = login
  url.password = 'canary-password-90af'
  return url.href
}

const start = (databaseUrl = writerUrl()) => startGatewayProcess(databaseUrl)

const rowsOf = async (traceId: string): Promise<number> =>
  (await owner.query('select from noetl.secret_audit where trace_id = $1', [traceId])).rowCount ?? 0

describe('a gateway that is killed', () => {
  it('between its commit and its answer: the resend finds the rows, through another gateway', async () => {
    const proxy = await CuttingProxy.start(Number(new URL(database.url).port))
    onTestFinished(() => proxy.close())
    const other = await start()
    for (let round = 0; round < 3; round++) {
      proxy.rewrite = (answer) => answer
      const { url, child } = await start(proxy.url(writerUrl()))
      expect((await post(url, tracesOf([auditSpan()]))).status).toBe(200)
      // From now on Postgres commits, and nobody hears of it.
      proxy.rewrite = () => Buffer.alloc(0)
      const span = auditSpan({ events: 20 })
      const request = protobufOf(tracesOf([span]))
      const unanswered = post(url, request).then(
        ({ status }) => status,
        () => 'reset',
      )
      await waitUntil('the rows are there', async () => (await rowsOf(span.traceId)) === 20)
      child.kill('SIGKILL')
      expect(await unanswered).toBe('reset')
      expect((await post(other.url, request)).status).toBe(200)
      expect(await rowsOf(span.traceId)).toBe(20)
    }
  })

  it('at any moment, under load: what was acknowledged is there once', async () => {
    const acknowledged: string[] = []
    const steady = await start()
    for (let round = 0; round < 3; round++) {
      const victim = await start()
      const senders = Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 15; i++) {
          const span = auditSpan({ events: 5 })
          const request = protobufOf(tracesOf([span]))
          let status = await post(victim.url, request).then(
            ({ status: said }) => said,
            () => 0,
          )
          for (let tries = 0; status !== 200 && tries < 50; tries++)
            status = (await post(steady.url, request)).status
          if (status === 200) acknowledged.push(span.traceId)
        }
      })
      setTimeout(() => victim.child.kill('SIGKILL'), 30 + 40 * round)
      await Promise.all(senders)
    }
    expect(acknowledged).toHaveLength(3 * 8 * 15)
    const { rows } = await owner.query<{ trace_id: string; n: string }>(
      'select trace_id, count(*) as n from noetl.secret_audit where trace_id = any($1) group by 1',
      [acknowledged],
    )
    expect(rows).toHaveLength(acknowledged.length)
    expect(rows.filter(({ n }) => n !== '5')).toEqual([])
    const { found } = await verifiedTrail(database.url)
    expect(found).toEqual([])
  })
})

describe('otel-audit gateway', () => {
  it('needs no more than the writer role; on SIGTERM it ends its chain, and with 0', async () => {
    const { url, child, stderr } = await start()
    const span = auditSpan()
    expect((await post(url, tracesOf([span, auditSpan({ attributes: [] })]))).status).toBe(200)
    const { rows } = await owner.query<{ chain_id: string }>(
      'select chain_id from noetl.secret_audit where trace_id = $1',
      [span.traceId],
    )
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('noetl_secret_audit_gateway_events_total')
    expect(metrics).toMatch(/gateway_quarantined_total\{reason="incomplete"[^}]*\} 1/)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    const blocks = await owner.query<{ kind: string }>(
      'select kind from noetl.secret_audit_block where chain_id = $1 order by block_no desc limit 1',
      [rows[0]?.chain_id],
    )
    expect(blocks.rows).toEqual([{ kind: 'close' }])
    expect(stderr()).not.toContain('canary')
  })

  it.each([
    [['--port', 'many'], 'integer'],
    [['--host', '0.0.0.0'], 'loopback'],
    [['--tls-cert', '/nowhere.pem'], 'tlsCert and tlsKey'],
    [['--tokens-file', '/nowhere'], 'file of tokens'],
    [['--policy-file', '/nowhere'], 'policy file'],
  ])('ends with 2: %j', async (args, why) => {
    const { code, stderr } = await otelAudit(['gateway', ...args], { DATABASE_URL: database.url })
    expect(stderr).toContain(why)
    expect(code).toBe(2)
  })

  it('ends with 2 without a database', async () => {
    expect(await otelAudit(['gateway'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no database'),
    })
  })
})

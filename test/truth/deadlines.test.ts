import { createServer, connect as connectTo, type AddressInfo, type Server } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { taken } from '../../src/host/globals.js'
import { NoAnswer } from '../../src/postgres/connection.js'
import { copyOut } from '../../src/postgres/read/copy-out.js'
import { Snapshot } from '../../src/postgres/read/snapshot.js'
import { openSession } from '../../src/postgres/session.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { Trail } from '../../src/query/trail.js'
import { ALL_IDS } from '../../src/verify/source.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { TrailServer } from '../support/trail-server.js'
import { WireProxy } from '../support/wire-proxy.js'

let database: TestDatabase
let proxy: WireProxy

beforeAll(async () => {
  database = await migratedDatabase()
  proxy = await WireProxy.start(database.url)
})

afterAll(async () => {
  await proxy.close()
  await database.drop()
})

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A flow that was quiet is forgotten: what is sent over it goes nowhere, and new ones are let through. */
async function forgetful(port: number, quietMs: number): Promise<{ server: Server; port: number }> {
  const server = createServer((client) => {
    const upstream = connectTo(port, '127.0.0.1')
    let last = Date.now()
    let isDead = false
    const passes = (): boolean => {
      isDead ||= Date.now() - last > quietMs
      last = Date.now()
      return !isDead
    }
    client.on('data', (bytes) => passes() && upstream.write(bytes)).on('error', () => {})
    client.on('close', () => isDead || upstream.destroy())
    upstream.on('data', (bytes) => passes() && client.write(bytes)).on('error', () => {})
    upstream.on('close', () => isDead || client.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

describe('after a silence', () => {
  let nat: Awaited<ReturnType<typeof forgetful>>
  let url: string
  beforeAll(async () => {
    nat = await forgetful(Number(new URL(database.url).port), 1500)
    const through = new URL(database.url)
    through.port = String(nat.port)
    url = through.href
  })
  afterAll(() => void nat.server.close())

  test('a flow that was forgotten costs no write, and no second row', async () => {
    const sink = new PostgresAuditSink({ databaseUrl: url, answerTimeoutMs: 20_000 })
    for (let i = 0; i < 3; i++) {
      expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
      await sleep(1700)
    }
    await sink.close()
  })

  test('nor a read', async () => {
    const trail = new Trail({ databaseUrl: url, timeoutMs: 20_000 })
    await trail.search({ limit: 1 })
    await sleep(1700)
    await trail.search({ limit: 1 })
    await trail.close()
  })
})

test('a process that was frozen reads the answer that has come meanwhile', async () => {
  const session = await openSession('write', {
    databaseUrl: database.url,
    applicationName: 'frozen',
    answerTimeoutMs: 1000,
    synchronousCommit: 'on',
  })
  const answer = session.run((client) => client.query('select pg_sleep(0.2), 7 as n'))
  await new Promise(setImmediate) // It is sent.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
  expect((await answer).rows).toMatchObject([{ n: 7 }])
  await new Promise((turn) => setTimeout(turn, 50))
  expect(session.isBroken).toBe(false)
  await session.close()
})

describe('two servers behind one address', () => {
  let servers: TrailServer[]
  beforeAll(async () => {
    servers = [await TrailServer.start(), await TrailServer.start()]
  })
  afterAll(() => Promise.all(servers.map((server) => server.close())))

  test('are said to be two, with what to do', async () => {
    const [one, two] = servers as [TrailServer, TrailServer]
    let turn = 0
    const balancer = createServer((client) => {
      const upstream = connectTo([one, two][turn++ % 2]?.server.port ?? 0, '127.0.0.1')
      client.pipe(upstream).on('error', () => {})
      upstream.pipe(client).on('error', () => {})
    }).listen(0, '127.0.0.1')
    await once(balancer, 'listening')
    await two.server.query(`alter role postgres password '${new URL(one.server.url()).password}'`)
    const url = new URL(await one.trail())
    await two.trail()
    url.port = String((balancer.address() as AddressInfo).port)
    await expect(Snapshot.open({ databaseUrl: url.href, schema: 'noetl' })).rejects.toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
      message: expect.stringContaining('different servers'),
      remedy: expect.stringContaining('address of one server'),
    })
    balancer.close()
  })
})

describe('a server that hangs in the middle of a long answer', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.close())

  test('is given up when it does not let anybody in either', async () => {
    const session = await openSession('verify', { databaseUrl: server.url(), applicationName: 'hangs' })
    const sql =
      'copy (select i from generate_series(1, 1000000) as i where i < 10 or pg_sleep(1) is null) to stdout (format binary)'
    const asked: boolean[] = []
    const watch = {
      everyMs: 100,
      isThere: () => {
        asked.push(true)
        return Promise.resolve(asked.length < 3)
      },
    }
    const reading = (async () => {
      for await (const batch of copyOut(session, sql, () => 0, undefined, watch)) void batch
    })()
    await expect(reading).rejects.toThrow(NoAnswer)
    expect(asked).toHaveLength(3)
    session.destroy()
  })
})

test('a snapshot whose server stops is given up as soon as that lets nobody in', async () => {
  const { setInterval, setTimeout } = taken
  const snapshot = await Snapshot.open({ databaseUrl: proxy.url(database.url), schema: 'noetl' })
  // Times as they are said, and a hundredth of them to wait.
  Object.assign(taken, {
    setInterval: (work: () => void, ms: number) => setInterval(work, ms / 100),
    setTimeout: (work: () => void, ms: number) => setTimeout(work, ms / 100),
  })
  proxy.answer = () => []
  try {
    const reading = (async () => {
      for await (const batch of snapshot.rows(ALL_IDS, { chain: undefined, ids: undefined })) void batch
    })()
    await expect(reading).rejects.toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
      message: expect.stringMatching(/nothing was sent for [246]0000 ms/),
    })
  } finally {
    Object.assign(taken, { setInterval, setTimeout })
    proxy.calm()
    await snapshot.close()
  }
})

test('a server that lets nobody in is not one whose query took too long', async () => {
  proxy.answer = () => []
  const trail = new Trail({ databaseUrl: proxy.url(database.url), timeoutMs: 300 })
  await expect(trail.search({ limit: 1 })).rejects.toMatchObject({
    code: 'AUDIT_READ_FAILED',
    message: expect.stringContaining('connecting: no answer'),
  })
  await trail.close()
  proxy.calm()
})

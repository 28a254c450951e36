import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { connect } from '../support/database.js'
import { clusterProcesses } from '../support/postgres/processes.mjs'
import { type PostgresOptions, type PostgresServer, startPostgres } from '../support/postgres/server.js'

const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close()
})

async function start(options?: PostgresOptions): Promise<PostgresServer> {
  const server = await startPostgres(options)
  opened.push(server)
  return server
}

async function session(server: PostgresServer) {
  const client = await connect(server.url())
  opened.push({ close: () => client.end() })
  return client
}

async function rows(server: PostgresServer): Promise<unknown> {
  return (await server.query('select n from numbers order by n')).rows
}

test('a restarted server has its data, on the same port', async () => {
  const server = await start()
  const { port, pid } = server
  await server.query('create table numbers as select 1 as n')

  await server.stop()
  await expect(server.query('select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  expect(() => server.pid).toThrow('not running')
  await server.start()
  expect(await rows(server)).toEqual([{ n: 1 }])

  await server.restart('immediate')
  expect(await rows(server)).toEqual([{ n: 1 }])
  expect(server.port).toBe(port)
  expect(server.pid).not.toBe(pid)
})

test('a smart stop waits for open sessions, a fast stop ends them', async () => {
  const server = await start()
  const client = await session(server)
  const smart = server.stop('smart')
  // While it shuts down it takes nobody in, but goes on serving who is in.
  await expect.poll(() => server.query('select 1').catch((error) => error.code)).toBe('57P03')
  expect((await client.query('select 2 as n')).rows).toEqual([{ n: 2 }])
  await client.end()
  await smart

  await server.start()
  const cut = await session(server)
  await server.stop('fast')
  await expect(cut.query('select 1')).rejects.toThrow()
})

test('after a kill no process is left, and what was committed is recovered', async () => {
  const server = await start()
  const client = await session(server)
  await client.query('create table numbers as select 1 as n')
  await client.query('begin; insert into numbers values (2)')
  const backend = (await client.query('select pg_backend_pid() as pid')).rows[0].pid
  const name = clusterName(server)
  expect(clusterProcesses(name).map(({ pid }) => pid)).toEqual(expect.arrayContaining([server.pid, backend]))

  await server.kill()
  expect(clusterProcesses(name)).toEqual([])
  await expect(client.query('commit')).rejects.toThrow()
  await server.start()
  expect(await rows(server)).toEqual([{ n: 1 }])
  expect(server.logs()).toContain('automatic recovery in progress')
})

test('a paused server accepts connections and answers nothing, until it is resumed', async () => {
  const [server, other] = await Promise.all([start(), start()])
  const client = await session(server)
  await server.pause()
  const processes = clusterProcesses(clusterName(server))
  expect(processes.length).toBeGreaterThan(2)
  expect(processes.filter(({ stopped }) => !stopped)).toEqual([])

  const answered: string[] = []
  const onOpenSession = client.query('select 1').then(() => answered.push('query'))
  const onNewSession = server.query('select 1').then(() => answered.push('connect'))
  const socket = connectSocket(server.port, '127.0.0.1')
  opened.push({ close: () => socket.destroy() })
  await once(socket, 'connect')
  // A server that was not paused would have answered before another one has answered fifty times.
  for (let i = 0; i < 50; i++) await other.query('select 1')
  expect(answered).toEqual([])

  server.resume()
  await Promise.all([onOpenSession, onNewSession])
})

test('a paused server can be stopped, killed and closed', async () => {
  const server = await start()
  await server.pause()
  await server.stop()
  await server.start()
  await server.pause()
  await server.kill()
  await server.start()
  await server.pause()
  await server.close()
  expect(clusterProcesses(clusterName(server))).toEqual([])
  expect(existsSync(server.dataDirectory)).toBe(false)
})

test('two servers have nothing in common', async () => {
  const [one, two] = await Promise.all([start(), start()])
  expect(one.port).not.toBe(two.port)
  await one.query('create role only_here')
  expect((await two.query(`select from pg_roles where rolname = 'only_here'`)).rowCount).toBe(0)

  await one.close()
  await one.close()
  await expect(one.start()).rejects.toThrow('removed by close()')
  expect(existsSync(one.dataDirectory)).toBe(false)
  expect((await two.query('select 1 as n')).rows).toEqual([{ n: 1 }])
})

test('commits are durable, and settings reach the server', async () => {
  const server = await start({ settings: { max_connections: '17', application_name: `it's` } })
  const { rows } = await server.query(
    `select name, setting from pg_settings
      where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'max_connections', 'application_name')
      order by name`,
  )
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
    application_name: `it's`,
    fsync: 'on',
    full_page_writes: 'on',
    max_connections: '17',
    synchronous_commit: 'on',
  })
})

test('only who knows the password is superuser; other roles are trusted', async () => {
  const server = await start()
  await server.query('create role "a role" login')
  const client = await connect(server.url('postgres', 'a role'))
  opened.push({ close: () => client.end() })
  expect((await client.query('select current_user as name')).rows).toEqual([{ name: 'a role' }])

  const stranger = new URL(server.url())
  stranger.password = 'guessed'
  await expect(connect(stranger.href)).rejects.toMatchObject({ code: '28P01' })
})

test('a server that cannot start says why', async () => {
  await expect(startPostgres({ settings: { shared_buffers: 'plenty' } })).rejects.toThrow(
    /invalid value for parameter "shared_buffers": "plenty"/,
  )
})

function clusterName(server: PostgresServer): string {
  const name = /otel-audit-postgres-\w+/.exec(server.dataDirectory)?.[0]
  if (name === undefined) throw new Error(`no cluster name in ${server.dataDirectory}`)
  return name
}

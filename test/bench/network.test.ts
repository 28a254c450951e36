import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { packageRoot } from '../support/postgres/package-root.js'

// What was built, since it starts a process: build/bench/proxy.js.
let Network: typeof import('../../bench/network.js')['Network']

beforeAll(async () => {
  const built = pathToFileURL(join(packageRoot(), 'build', 'bench', 'network.js')).href
  ;({ Network } = (await import(built)) as typeof import('../../bench/network.js'))
})

/** @returns the URL of a server, over such a network. It sends back what it gets, and ends when its client does. */
async function echo(roundTripMs: number, onSocket: (socket: Socket) => void = () => {}): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const network = await Network.to(port, roundTripMs)
  onTestFinished(async () => {
    await network.close()
    server.close()
  })
  return network.url(`postgres://user@127.0.0.1:${port}/database?sslmode=disable`)
}

const ROUND_TRIP_MS = 600

const portOf = (url: string): number => Number(new URL(url).port)

test('all bytes of both directions come through in order, and a round trip takes what was asked for', async () => {
  const url = await echo(ROUND_TRIP_MS)
  const socket = connect(portOf(url), '127.0.0.1')
  await once(socket, 'connect')
  const began = performance.now()
  const sent = Array.from({ length: 20_000 }, (_, n) => `${n};`).join('')
  socket.end(sent)
  const came = await text(socket)
  expect(came.length).toBe(sent.length)
  expect(came === sent).toBe(true)
  expect(performance.now() - began).toBeGreaterThan(ROUND_TRIP_MS)
})

test.each(['destroy', 'resetAndDestroy'] as const)(
  'a connection that the database cuts is cut: %s',
  async (cut) => {
    const url = await echo(2, (socket) => socket[cut]())
    const socket = connect(portOf(url), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'close')
  },
)

test('a network as it is has nothing in between', async () => {
  const network = await Network.to(5432, 0)
  expect(network.url('postgres://127.0.0.1:5432/d')).toBe('postgres://127.0.0.1:5432/d')
  await network.close()
})

test('the rest of the URL stays', async () => {
  const url = new URL(await echo(1))
  expect(url.href.replace(`:${url.port}`, '')).toBe('postgres://user@127.0.0.1/database?sslmode=disable')
})

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CuttingProxy } from '../../soak/proxy.js'
import type { Cut } from '../../soak/schedule.js'
import { waitUntil } from '../support/wait-until.js'

/** A server that answers each message with `answer to` it. */
const heard: string[] = []
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.on('data', (data) => {
    heard.push(String(data))
    socket.write(`answer to ${String(data)}`)
  })
})
let proxy: CuttingProxy
let writer: Socket
let answers: string

beforeEach(async () => {
  heard.length = 0
  answers = ''
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await CuttingProxy.start((server.address() as AddressInfo).port)
  writer = connect(proxy.port, '127.0.0.1')
  writer.on('error', () => {})
  writer.on('data', (data) => {
    answers += String(data)
  })
  writer.write('first')
  await waitUntil('the answer', () => answers === 'answer to first')
})

afterEach(async () => {
  writer.destroy()
  await proxy.close()
  server.close()
})

/** Cuts, and sends one more message. */
async function afterCut(where: Cut): Promise<void> {
  proxy.cut(where)
  writer.write('second')
  await once(writer, 'close')
}

describe('a connection is cut', () => {
  test('at once', async () => {
    proxy.cut('now')
    await once(writer, 'close')
  })

  test('in the middle of a request', async () => {
    await afterCut('request')
    await waitUntil('the beginning', () => heard.length > 1)
    expect(heard).toEqual(['first', 'sec'])
  })

  test('when the answer comes: the server has done it, and the writer does not know', async () => {
    await afterCut('answer')
    expect(heard).toEqual(['first', 'second'])
    expect(answers).toBe('answer to first')
  })

  test('after a silence', async () => {
    proxy.cut('mute')
    writer.write('second')
    await waitUntil('the request', () => heard.length > 1)
    expect([answers, writer.closed]).toEqual(['answer to first', false])
    proxy.finishCut()
    await once(writer, 'close')
  })
})

test('new connections are not affected', async () => {
  proxy.cut('answer')
  const other = connect(proxy.port, '127.0.0.1')
  let got = ''
  other.on('data', (data) => {
    got += String(data)
  })
  other.write('third')
  await waitUntil('its answer', () => got === 'answer to third')
  other.destroy()
})

test('what is slowed arrives later, whole and in its order, in both directions', async () => {
  proxy.slow(100)
  const began = performance.now()
  for (const message of ['a', 'b', 'c']) writer.write(message)
  // Not before those that are on their way.
  setTimeout(() => proxy.slow(0), 20)
  setTimeout(() => writer.write('d'), 40)
  await waitUntil('all of it', () => answers.endsWith('d'))
  expect(performance.now() - began).toBeGreaterThan(95)
  expect(heard.slice(1).join('')).toBe('abcd')
  expect(answers.replaceAll('answer to ', '')).toBe('firstabcd')
})

test('that leads elsewhere ends its connections, and new ones reach the other server', async () => {
  const other = createServer((socket) => socket.end('the other')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  proxy.lead((other.address() as AddressInfo).port)
  await once(writer, 'close')
  const next = connect(proxy.port, '127.0.0.1')
  const [said] = (await once(next, 'data')) as [Buffer]
  expect(String(said)).toBe('the other')
  next.destroy()
  other.close()
})

import { Agent, get, request as httpRequest } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AuditError } from '../../../src/errors.js'
import { claiming } from '../../../src/instrument/claim.js'
import { watchHttp } from '../../../src/instrument/wire/http.js'
import type { AuditOptions } from '../../../src/options/options.js'
import { waitUntil } from '../../support/wait-until.js'
import { said, type Watched, watched } from '../watched.js'
import { ask, type Heard } from './asking.js'
import { refused, SECRET, secretServer, VAULT_HEADERS, VAULT_PATH } from './secret-server.js'

function scene(options: AuditOptions = { strict: true }): Watched {
  const made = watched(options)
  onTestFinished(watchHttp(made.watch))
  return made
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('an answer with a secret', () => {
  it('is held until its row is committed, and then handed on whole', async () => {
    const { url, host } = await secretServer()
    const at = scene()
    const arrived = at.hold()
    const heard = ask(url)
    await arrived
    await turns()
    expect(heard.events).toEqual([])
    at.letGo()
    await heard.ended
    expect(heard.events).toEqual(['response 200', 'end', 'close'])
    expect(JSON.parse(heard.body)).toEqual({ data: { value: SECRET } })
    const rows = await at.rows()
    expect(rows.map(said)).toEqual([
      {
        credential: 'secret/orders',
        operation: 'get_credential',
        outcome: 'ok',
        provider: 'vault',
        api: 'GET',
        seen: 'wire',
        server_address: host,
        request_id: 'r-1',
      },
    ])
    expect(at.watch.coverage.entries()).toMatchObject([{ name: 'wire:vault', state: 'wire', calls: 1 }])
  })

  it('is withheld when its row cannot be stored, by an error that tells why', async () => {
    const { url } = await secretServer()
    const at = scene()
    at.isDown = true
    const heard = ask(url)
    await heard.ended
    expect(heard.events).toEqual(['error', 'close'])
    expect(heard.error).toBeInstanceOf(AuditError)
    expect(heard.error).toMatchObject({ code: 'AUDIT_UNAVAILABLE', row: 'not-stored' })
    expect(heard.body).toBe('')
    at.isDown = false
    const again = ask(url)
    await again.ended
    expect(again.body).toContain(SECRET)
  })

  it('keeps the code of its error, whatever a client writes into it', async () => {
    const { url } = await secretServer()
    const at = scene()
    at.isDown = true
    const heard = ask(url)
    await heard.ended
    const error = heard.error as Error & { code: string; retryable: boolean }
    error.code = 'NetworkingError'
    error.retryable = true
    expect([error.code, error.retryable]).toEqual(['AUDIT_UNAVAILABLE', false])
  })

  it('is not held without strict mode, and recorded', async () => {
    const { url } = await secretServer()
    const at = scene({})
    const arrived = at.hold()
    const heard = ask(url)
    await heard.ended
    expect(heard.body).toContain(SECRET)
    await arrived
    at.letGo()
    expect(await at.rows()).toHaveLength(1)
  })

  it('that nobody listens for is read to its end', async () => {
    const { url } = await secretServer()
    const at = scene()
    const request = get(url + VAULT_PATH, { headers: VAULT_HEADERS })
    await new Promise((resolve) => request.on('close', resolve))
    expect(await at.rows()).toHaveLength(1)
  })

  it('that is large comes whole', async () => {
    const large = SECRET.repeat(50_000)
    const { url } = await secretServer((_, response) => response.end(large))
    const at = scene()
    const arrived = at.hold()
    const heard = ask(url)
    await arrived
    at.letGo()
    await heard.ended
    expect(heard.body === large).toBe(true)
  })
})

describe('while the answer is held', () => {
  it('and its connection ends behind it: the response, its end, and close', async () => {
    const { url } = await secretServer((_, response) => {
      response.writeHead(200, { connection: 'close' })
      response.end(SECRET)
    })
    const at = scene()
    const arrived = at.hold()
    const heard = ask(url, { agent: false })
    await arrived
    await waitUntil('the end of the connection', () => heard.request.destroyed)
    expect(heard.events).toEqual([])
    at.letGo()
    await heard.ended
    await turns()
    expect(heard.body).toBe(SECRET)
    expect(heard.events[0]).toBe('response 200')
    expect([...heard.events].sort()).toEqual(['close', 'end', 'response 200'])
  })

  it('and the server dies in the middle of it: an error, and no response', async () => {
    const { url } = await secretServer((request, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write(SECRET, () => void arrived.then(() => request.socket.destroy()))
    })
    const at = scene()
    const arrived = at.hold()
    const heard = ask(url)
    await arrived
    await waitUntil('the end of the connection', () => heard.request.destroyed)
    at.letGo()
    await heard.ended
    expect(heard.events).toEqual(['error', 'close'])
    expect(heard.error).toMatchObject({ code: 'ECONNRESET' })
    expect((await at.rows()).map(said)).toMatchObject([{ outcome: 'ok' }])
  })

  it.each([
    ['destroys it', (heard: Heard) => heard.request.destroy(), 'ECONNRESET'],
    [
      'aborts it',
      (heard: Heard) => heard.request.destroy(Object.assign(new Error('x'), { code: 'MINE' })),
      'MINE',
    ],
  ])('and the application %s: no response follows', async (_, end, code) => {
    const { url } = await secretServer()
    const at = scene()
    const arrived = at.hold()
    const heard = ask(url)
    await arrived
    end(heard)
    await heard.ended
    at.letGo()
    await turns()
    expect(heard.events).toEqual(['error', 'close'])
    expect(heard.error).toMatchObject({ code })
    expect(await at.rows()).toHaveLength(1)
  })

  it('and the connection is gone, and the row fails: the AuditError, and close', async () => {
    const { url } = await secretServer((_, response) => {
      response.writeHead(200, { connection: 'close' })
      response.end(SECRET)
    })
    const at = scene()
    at.isDown = true
    const arrived = at.hold()
    const heard = ask(url, { agent: false })
    await arrived
    await waitUntil('the end of the connection', () => heard.request.destroyed)
    at.letGo()
    await heard.ended
    expect(heard.events).toEqual(['error', 'close'])
    expect(heard.error).toBeInstanceOf(AuditError)
  })
})

describe('an answer that comes early', () => {
  it('before the request was sent whole, is held like any other', async () => {
    const { url } = await secretServer((_, response) => response.end(SECRET))
    const at = scene()
    const arrived = at.hold()
    const request = httpRequest(`${url}/v1/transit/decrypt/k`, { method: 'POST', headers: VAULT_HEADERS })
    const heard: string[] = []
    request.on('response', (response) => {
      heard.push('response')
      response.resume()
    })
    request.write('{')
    await arrived
    await turns()
    expect(heard).toEqual([])
    at.letGo()
    await new Promise((resolve) => {
      request.on('close', resolve)
      request.end('}')
    })
    expect(heard).toEqual(['response'])
    expect((await at.rows()).map(said)).toMatchObject([{ operation: 'use_key', outcome: 'ok' }])
  })

  it('and one whose emit somebody has replaced', async () => {
    const { url } = await secretServer()
    const at = scene()
    const arrived = at.hold()
    const heard = ask(url)
    const emit = heard.request.emit.bind(heard.request)
    heard.request.emit = (...args: Parameters<typeof emit>) => emit(...args)
    await arrived
    await turns()
    expect(heard.events).toEqual([])
    at.letGo()
    await heard.ended
    expect(await at.rows()).toHaveLength(1)
  })
})

describe('an answer without a secret', () => {
  it.each([
    [400, 'invalid_request'],
    [403, 'access_denied'],
    [404, 'credential_not_found'],
    [429, 'throttled'],
    [473, 'provider_unreachable'],
    [503, 'provider_fetch_error'],
  ])('a refusal with %i is handed on at once, and recorded as %s', async (status, outcome) => {
    const { url } = await secretServer(refused(status, { errors: ['no'] }))
    const at = scene()
    const arrived = at.hold()
    const heard = ask(url)
    await heard.ended
    expect(heard.events).toEqual([`response ${status}`, 'end', 'close'])
    expect(heard.body).toBe('{"errors":["no"]}')
    await arrived
    at.letGo()
    expect((await at.rows()).map(said)).toMatchObject([{ outcome, 'error.type': String(status) }])
  })

  it('a redirection makes no row', async () => {
    const { url } = await secretServer(refused(307, {}, { location: '/elsewhere' }))
    const at = scene()
    await ask(url).ended
    expect(await at.rows()).toEqual([])
  })

  it('the challenge of Azure makes no row; a refused token does', async () => {
    const { url, host } = await secretServer(
      refused(401, {}, { 'www-authenticate': 'Bearer authorization="x"' }),
    )
    const at = watched({ strict: true }, { hosts: new Map([['azure', new Set([host])]]) })
    onTestFinished(watchHttp(at.watch))
    await ask(url, { path: '/secrets/db?api-version=7.4', headers: {} }).ended
    expect(await at.rows()).toEqual([])
    await ask(url, { path: '/secrets/db?api-version=7.4', headers: { authorization: 'Bearer x' } }).ended
    expect((await at.rows()).map(said)).toMatchObject([{ outcome: 'access_denied', provider: 'azure' }])
  })

  it('nobody who answers is unreachable; an application that gives up has aborted', async () => {
    const at = scene()
    const heard = ask('http://127.0.0.1:1')
    await heard.ended
    expect(heard.error).toMatchObject({ code: 'ECONNREFUSED' })
    const { url } = await secretServer(() => silent.request.destroy())
    const silent = ask(url)
    await silent.ended
    expect((await at.rows()).map(said)).toMatchObject([
      { outcome: 'provider_unreachable' },
      { outcome: 'aborted' },
    ])
  })
})

describe('what is nobody’s business', () => {
  it('other traffic has no row, and its request is left alone', async () => {
    const { url } = await secretServer()
    const at = scene()
    const heard = ask(url, { path: '/orders' })
    expect(Object.hasOwn(heard.request, 'emit')).toBe(false)
    await heard.ended
    expect(await at.rows()).toEqual([])
  })

  it('an access that a layer above records has no second row, also when it waits for a connection', async () => {
    const { url } = await secretServer()
    const at = scene()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const key = { provider: 'vault', operation: 'get_credential', credentials: ['secret/orders'] }
    const claimed = () => claiming({ kind: 'access', key }, () => ask(url, { agent }).ended)
    await Promise.all([claimed(), ask(url, { agent }).ended, claimed(), ask(url, { agent }).ended])
    expect(await at.rows()).toHaveLength(2)
    expect(at.watch.coverage.accesses()).toMatchObject({ wire: 2, claimed: 2 })
  })
})

it('no value, token or body is in any row', async () => {
  const { url } = await secretServer()
  const at = scene()
  await ask(url).ended
  const text = JSON.stringify(await at.rows(), (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  expect(text).not.toContain('hunter2')
})

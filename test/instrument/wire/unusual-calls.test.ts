import { Writable } from 'node:stream'
import * as undici from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AuditError } from '../../../src/errors.js'
import { watchWire } from '../../../src/instrument/wire/watch-wire.js'
import { waitUntil } from '../../support/wait-until.js'
import { type Watched, watched } from '../watched.js'
import { SECRET, secretServer, VAULT_HEADERS, VAULT_PATH } from './secret-server.js'

function scene(): Watched {
  const made = watched({ strict: true })
  onTestFinished(watchWire(made.watch))
  return made
}

describe('fetch', () => {
  it.each([
    ['nothing', undefined],
    ['a value', { ok: true }],
  ])('that a test has replaced, and that answers with %s, stays what it is', (_, value) => {
    const real = globalThis.fetch
    onTestFinished(() => void (globalThis.fetch = real))
    globalThis.fetch = (() => value) as unknown as typeof fetch
    const end = watchWire(watched().watch)
    expect(globalThis.fetch('http://a.example')).toBe(value)
    end()
  })

  it('of another request to a path like that of AWS is not waited for', async () => {
    const { url } = await secretServer((request, response) => {
      request.once('data', () => response.end('early'))
    })
    scene()
    let end = (): void => undefined
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('{'))
        end = () => controller.close()
      },
    })
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' }
    const response = await fetch(new Request(`${url}/service/uploads`, init))
    expect(await response.text()).toBe('early')
    end()
  })

  it('whose arguments throw rejects, as it does without us', async () => {
    scene()
    const init = {
      get body(): string {
        throw new Error('of the application')
      },
    }
    await expect(fetch('http://127.0.0.1:1/', init)).rejects.toThrow()
  })
})

describe('undici', () => {
  it('pipelines: what is behind a held answer waits for nothing but its own', async () => {
    const { url } = await secretServer((request, response) => response.end(request.url))
    const at = scene()
    const client = new undici.Client(url, { pipelining: 4 })
    onTestFinished(() => client.destroy())
    const arrived = at.hold()
    const texts: string[] = []
    const asks = [VAULT_PATH, '/a', '/b'].map(async (path) => {
      const { body } = await client.request({ path, method: 'GET', headers: VAULT_HEADERS })
      texts.push(await body.text())
    })
    await arrived
    await waitUntil('the ones behind', () => texts.length === 2)
    at.letGo()
    await Promise.all(asks)
    expect(texts).toEqual(['/a', '/b', VAULT_PATH])
  })

  it('a stream and a pipeline get their answer whole, or not at all', async () => {
    const { url } = await secretServer((_, response) => response.end(SECRET))
    const at = scene()
    const chunks: string[] = []
    const streamed = (): Promise<unknown> =>
      undici.stream(url + VAULT_PATH, { method: 'GET', headers: VAULT_HEADERS }, () => sink(chunks))
    await streamed()
    expect(chunks.join('')).toBe(SECRET)
    at.isDown = true
    chunks.length = 0
    await expect(streamed()).rejects.toBeInstanceOf(AuditError)
    expect(chunks).toEqual([])
    at.isDown = false
  })
})

function sink(chunks: string[]): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk))
      done()
    },
  })
}

import { channel } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'
import { claiming } from '../../../src/instrument/claim.js'
import { watchWire } from '../../../src/instrument/wire/watch-wire.js'
import type { InstrumentSettings } from '../../../src/instrument/settings.js'
import { said, type Watched, watched } from '../watched.js'
import { ask } from './asking.js'
import { secretServer, VAULT_HEADERS, VAULT_PATH } from './secret-server.js'

function scene(settings: Partial<InstrumentSettings> = {}): Watched {
  const made = watched({ strict: true }, settings)
  onTestFinished(watchWire(made.watch))
  return made
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const REQUEST = {
  origin: 'https://bao.internal:8200',
  path: VAULT_PATH,
  method: 'GET',
  headers: ['X-Vault-Token', 'hvs.hunter2-token'],
}

const told = (request: unknown): void => channel('undici:request:create').publish({ request })

describe('a version of undici whose requests cannot be held', () => {
  it('is observed: the access has a row, which says so, and coverage does not call it covered', async () => {
    const at = scene()
    const request = { ...REQUEST }
    told(request)
    told(request)
    expect((await at.rows()).map(said)).toMatchObject([
      { credential: 'secret/orders', held: false, server_address: 'bao.internal:8200' },
    ])
    expect(at.watch.coverage.entries()).toMatchObject([
      { name: 'wire:vault', state: 'wire' },
      { name: 'undici', state: 'observed' },
    ])
  })

  it.each<[string, unknown]>([
    ['version 5, whose headers are lines', 'x-vault-token: hvs.hunter2\r\naccept: */*\r\n'],
    ['a list with a list of values', ['x-vault-token', ['hvs.hunter2', 'b']]],
  ])('of %s is recognised all the same', async (_, headers) => {
    const at = scene()
    told({ ...REQUEST, headers })
    expect(await at.rows()).toHaveLength(1)
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['no headers', { ...REQUEST, headers: undefined }],
    ['a method that is none', { ...REQUEST, method: 7 }],
    ['another path', { ...REQUEST, path: '/orders' }],
    [
      'a getter that throws',
      {
        get path(): string {
          throw new Error('x')
        },
      },
    ],
  ])('that tells of %s breaks nothing', async (_, request) => {
    const at = scene()
    expect(() => told(request)).not.toThrow()
    expect(await at.rows()).toEqual([])
  })
})

describe('node:http', () => {
  it('an answer that was handed on although it should have been held has a row that says so', async () => {
    const { url } = await secretServer(() => undefined)
    const at = scene()
    const heard = ask(url)
    await new Promise((resolve) => heard.request.once('finish', resolve))
    channel('http.client.response.finish').publish({ request: heard.request })
    await turn()
    expect((await at.rows()).map(said)).toMatchObject([{ credential: 'secret/orders', held: false }])
    heard.request.destroy()
    await heard.ended
  })

  it.each(['http.client.request.start', 'http.client.response.finish'])(
    'what %s tells that is nothing breaks nothing',
    (name) => {
      scene()
      expect(() => channel(name).publish({})).not.toThrow()
    },
  )
})

it('with the wire switched off nothing is recorded there', async () => {
  const { url } = await secretServer()
  const at = scene({ disable: new Set(['wire']) })
  await ask(url).ended
  await (await fetch(url + VAULT_PATH, { headers: VAULT_HEADERS })).text()
  expect(await at.rows()).toEqual([])
})

it('of two that watch the first does, whichever copy of this package it is', async () => {
  const { url } = await secretServer()
  const [first, second] = [scene(), scene()]
  await ask(url).ended
  expect([(await first.rows()).length, (await second.rows()).length]).toEqual([1, 0])
})

it('a probe makes no row', async () => {
  const { url } = await secretServer()
  const at = scene()
  const seen: string[] = []
  await claiming({ kind: 'probe', onProbe: (layer) => void seen.push(layer) }, () => ask(url).ended)
  expect([seen, await at.rows()]).toEqual([['wire'], []])
})

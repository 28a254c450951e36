import assert from 'node:assert/strict'
import { waitUntil } from '../../test/support/wait-until.js'
import { type Front, type Fronted, forwardProxy, fronted } from '../fronts.js'
import { fakeProviders, type Providers } from '../providers.js'
import type { Suite, World } from '../suite.js'
import { CLIENT_NAMES, clientApplication, REGISTER } from './clients.js'
import { type Application, readingSuite, type Route } from './reading.js'

const route = (name: string, since?: number): Route => ({
  name,
  credential: 'secret/orders-db',
  seen: 'wire',
  ...(since !== undefined && { since }),
})
const decrypting = (name: string, since?: number): Route => ({
  ...route(name, since),
  credential: 'transit/decrypt/orders-db',
  operation: 'use_key',
})

const PROXIES: readonly Route[] = [
  route('proxy-http'),
  route('proxy-axios'),
  route('proxy-undici-6'),
  route('proxy-undici-7'),
  route('proxy-undici-7-whole'),
  route('proxy-undici-8', 22),
  route('proxy-undici-8-whole', 22),
]
const EARLY: readonly Route[] = [
  decrypting('early-http'),
  decrypting('early-fetch'),
  decrypting('early-undici-6'),
  decrypting('early-undici-7'),
  decrypting('early-undici-8', 22),
]
const ABORTED: readonly Route[] = [
  route('abort-http'),
  route('abort-fetch'),
  route('abort-axios'),
  route('abort-undici-6'),
  route('abort-undici-7'),
  route('abort-undici-8', 22),
]

const behind =
  (front: Front) =>
  async (world: World): Promise<Fronted> =>
    fronted(await fakeProviders(), front, world)

const application = (name: string, routes: readonly Route[]): Application => ({
  name,
  about: ['axios', 'undici-6', 'undici-7', 'undici-8'],
  routes,
  async prepare({ consumer }) {
    await consumer.take('matrix/apps', 'transports.mjs', 'serving.mjs')
    return [...REGISTER, 'transports.mjs']
  },
})

async function throughProxy(): Promise<Providers> {
  const providers = await fakeProviders()
  const proxy = await forwardProxy()
  return {
    ...providers,
    env: { ...providers.env, PROXY: proxy.url },
    async close() {
      proxy.close()
      await providers.close()
    },
  }
}

const OVER_HTTP2 = clientApplication('ESM', { name: 'over HTTP/2' })

/** HTTP/2 is what undici alone can speak; from version 8 on it asks for it by itself. */
const HTTP2: Suite = {
  name: OVER_HTTP2.name,
  about: CLIENT_NAMES.filter((name) => name.startsWith('undici')),
  async run(world) {
    let from: Fronted | undefined
    const routes = OVER_HTTP2.routes.filter(({ name }) => name.startsWith('undici'))
    await readingSuite({ ...OVER_HTTP2, routes }, async () => (from = await behind('HTTP/2')(world))).run(
      world,
    )
    await world.check('all of it was HTTP/2', async () =>
      assert.deepEqual([...(from?.versions ?? [])], ['2.0']),
    )
  },
}

/** The store is silent, the answer is held, and the application gives up: it hears that, and nothing else. */
const ABORT: Suite = {
  name: 'aborted while held',
  about: application('', []).about,
  async run(world) {
    const { consumer, database, check } = world
    const from = await fakeProviders()
    const args = await application('', ABORTED).prepare(world)
    const program = consumer.start(args, {
      DATABASE_URL: database.url,
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
      PATIENCE_MS: '3000',
      ...from.env,
    })
    const routes = ABORTED.filter(({ since = 0 }) => !consumer.isOlderThan(since))
    const read = (name: string) => waitUntil(name, () => program.get(`/${name}`).catch(() => false))
    try {
      for (const { name } of routes) await read(name)
      await database.pauseServer()
      try {
        for (const { name } of routes) {
          await check(name, async () => {
            const error = await program.get(`/${name}`).then(
              (text) => `released: ${text}`,
              ({ message }: Error) => message.split('\n')[0] ?? '',
            )
            assert.match(error, /^503 .*(Abort|Timeout|ECONNABORTED)/)
            assert.doesNotMatch(error, /AUDIT_/)
            return error
          })
        }
      } finally {
        database.resumeServer()
      }
      for (const { name } of routes) await check(`again: ${name}`, async () => void (await read(name)))
      await program.terminate()
      await check('the value is nowhere', async () => {
        assert.ok(
          !JSON.stringify([await database.rows(), program.stdout, program.stderr]).includes(from.value),
        )
      })
    } finally {
      await from.close()
    }
  },
}

/** The ways over the network that differ from a plain request. */
export const TRANSPORTS: readonly Suite[] = [
  readingSuite(clientApplication('ESM', { name: 'over TLS' }), behind('TLS')),
  HTTP2,
  readingSuite(application('forward proxy', PROXIES), throughProxy),
  readingSuite(clientApplication('ESM', { name: 'Connection: close' }), behind('Connection: close')),
  ABORT,
  readingSuite(application('early answer', EARLY), behind('early')),
]

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Suite, World } from '../suite.js'

const PRELOADS = ['import', 'require'] as const

/** Programs that know nothing of audit, under `register`. */
export const UNCHANGED: Suite = {
  name: 'unchanged programs',
  async run(world) {
    const { consumer, check } = world
    await consumer.take('test/register/apps', 'secrets.mjs', 'lazy-binding/base.mjs', 'lazy-binding/main.mjs')
    for (const preload of PRELOADS) {
      await check(`--${preload}: a base class that is bound lazily`, () => lazilyBound(world, preload))
      await check(`--${preload}: fetch and node:http to a Vault, strict`, () => plainHttp(world, preload))
    }
  },
}

async function lazilyBound({ consumer, database }: World, preload: string): Promise<void> {
  const args = [`--${preload}`, 'otel-audit/register', 'lazy-binding/main.mjs']
  const { code, stdout } = await consumer.run(args, {
    DATABASE_URL: database.url,
    OTEL_SERVICE_NAME: 'matrix',
    OTEL_TRACES_EXPORTER: 'none',
    OTEL_METRICS_EXPORTER: 'none',
  })
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'ok: Sub\n' })
}

async function plainHttp({ consumer, database }: World, preload: string): Promise<void> {
  const vault = createServer((_, response) => response.end('{"data":{"value":"hunter2-canary"}}'))
  await new Promise<void>((resolve) => vault.listen(0, '127.0.0.1', resolve))
  try {
    const before = (await database.rows()).length
    const args = [`--${preload}`, 'otel-audit/register', 'secrets.mjs']
    const { code, stdout } = await consumer.run(args, {
      DATABASE_URL: database.url,
      OTEL_SERVICE_NAME: 'matrix',
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
      VAULT_ADDR: `http://127.0.0.1:${(vault.address() as AddressInfo).port}`,
    })
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'byFetch released\nbyHttp released\n' })
    const credentials = (await database.rows()).slice(before).map(({ credential }) => credential)
    assert.deepEqual(
      credentials.filter((name) => name.startsWith('secret/')),
      ['secret/fetched', 'secret/got'],
    )
  } finally {
    vault.close()
    vault.closeAllConnections()
  }
}

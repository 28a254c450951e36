import assert from 'node:assert/strict'
import { join } from 'node:path'
import { build } from 'esbuild'
import { CuttingProxy } from '../../test/support/cutting-proxy.js'
import { exportingTo } from '../../test/support/program.js'
import { waitUntil } from '../../test/support/wait-until.js'
import type { Providers } from '../providers.js'
import type { Suite, World } from '../suite.js'

/** How the application comes: as it is written, as CommonJS, as one minified file with all its packages. */
export type Format = 'ESM' | 'CommonJS' | 'bundle'

interface Route {
  readonly name: string
  readonly credential: string
  /** Which layer sees it. A bundle is seen at the wire alone. */
  readonly seen: 'client' | 'wire'
}

const ROUTES: readonly Route[] = [
  { name: 'secrets-manager', credential: 'orders-db', seen: 'client' },
  { name: 'ssm', credential: '/orders/db', seen: 'client' },
  { name: 'kms', credential: 'KMS_KEY', seen: 'client' },
  { name: 'node-vault', credential: 'secret/orders-db', seen: 'client' },
  { name: 'fetch', credential: 'secret/orders-db', seen: 'wire' },
  { name: 'undici-7', credential: 'secret/orders-db', seen: 'wire' },
  { name: 'undici-8', credential: 'secret/orders-db', seen: 'wire' },
  { name: 'http', credential: 'secret/orders-db', seen: 'wire' },
]

const PACKAGES = [
  '@aws-sdk/client-kms',
  '@aws-sdk/client-secrets-manager',
  '@aws-sdk/client-ssm',
  'node-vault',
  'undici-7@npm:undici@^7.0.0',
]
const NEWER_PACKAGES = ['undici-8@npm:undici@^8.0.0']

/** What a Node of a line can run: undici 8 needs 22. */
export const clientPackages = (node: string): readonly string[] =>
  Number(node) < 22 ? PACKAGES : [...PACKAGES, ...NEWER_PACKAGES]

/**
 * Every client by every way to load it: async, strict, and strict while the store is away. The value is in no row, span or log.
 *
 * @param providers what they read from
 */
export function clientSuite(format: Format, providers: () => Promise<Providers>): Suite {
  return {
    name: `clients, ${format}`,
    about: [...PACKAGES, ...NEWER_PACKAGES].map((spec) => spec.replace(/(?<=.)@.*/, '')),
    async run(world) {
      const from = await providers()
      const logs: string[] = []
      const file = await application(world, format)
      try {
        await checkReads(world, format, file, from, logs)
        await checkWithheld(world, file, from, logs)
        await world.check('the value is nowhere', () => nowhere(world, from.value, logs))
      } finally {
        await from.close()
      }
    },
  }
}

function routesOf({ consumer }: World): readonly Route[] {
  return consumer.isOlderThan(22) ? ROUTES.filter(({ name }) => name !== 'undici-8') : ROUTES
}

async function application({ consumer }: World, format: Format): Promise<string> {
  await consumer.take('matrix/apps', 'clients.mjs')
  if (format === 'ESM') return 'clients.mjs'
  const outfile = format === 'bundle' ? 'clients.bundle.cjs' : 'clients.cjs'
  await build({
    absWorkingDir: consumer.directory,
    entryPoints: ['clients.mjs'],
    outfile: join(consumer.directory, outfile),
    platform: 'node',
    format: 'cjs',
    bundle: true,
    minify: format === 'bundle',
    logLevel: 'error',
    external: consumer.isOlderThan(22) ? ['undici-8'] : [],
    ...(format === 'bundle' ? {} : { packages: 'external' as const }),
  })
  return outfile
}

async function checkReads(
  world: World,
  format: Format,
  file: string,
  from: Providers,
  logs: string[],
): Promise<void> {
  const { consumer, database, receiver, check } = world
  const args = ['--import', 'otel-audit/register', file]
  for (const mode of ['async', 'strict']) {
    const env = { DATABASE_URL: database.url, ...from.env, ...exportingTo(receiver.url) }
    const strict = mode === 'strict' ? { NOETL_SECRET_AUDIT_REQUIRED: 'true' } : {}
    const program = consumer.start(args, { ...env, ...strict })
    const routes = routesOf(world)
    const before = (await database.rows()).length
    for (const { name } of routes) {
      await check(`${mode}: ${name}`, async () => {
        assert.equal(await program.get(`/${name}`), `${from.value.length} characters`)
      })
    }
    await program.terminate()
    logs.push(program.stdout, program.stderr)
    await check(`${mode}: rows`, async () => {
      const rows = (await database.rows()).slice(before)
      assert.deepEqual(
        rows.map(({ credential, outcome, seen }) => `${credential} ${outcome} ${seen}`),
        routes.map(
          ({ credential, seen }) =>
            `${from.env[credential] ?? credential} ok ${format === 'bundle' ? 'wire' : seen}`,
        ),
      )
    })
  }
}

async function checkWithheld(world: World, file: string, from: Providers, logs: string[]): Promise<void> {
  const { consumer, database, check } = world
  const proxy = await CuttingProxy.start(Number(new URL(database.url).port))
  try {
    const program = consumer.start(['--import', 'otel-audit/register', file], {
      DATABASE_URL: proxy.url(database.url),
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
      NOETL_SECRET_AUDIT_DEADLINE_MS: '500',
      ...from.env,
    })
    const [first, ...more] = routesOf(world)
    await waitUntil('the first secret', () => program.get(`/${first?.name}`).catch(() => false))
    proxy.shut()
    for (const { name } of [first, ...more].filter((route) => route !== undefined)) {
      await check(`strict, the store away: ${name}`, () =>
        assert.rejects(program.get(`/${name}`), /503 .*AUDIT_\w+/),
      )
    }
    proxy.open()
    await waitUntil('a secret again', () => program.get(`/${first?.name}`).catch(() => false))
    await program.terminate()
    logs.push(program.stdout, program.stderr)
  } finally {
    await proxy.close()
  }
}

async function nowhere({ database, receiver }: World, value: string, logs: readonly string[]): Promise<void> {
  const { rows } = await database.query('select secret_audit::text as row from noetl.secret_audit')
  const text = JSON.stringify([rows, receiver.spans, logs])
  for (const form of [value, Buffer.from(value).toString('base64'), Buffer.from(value).toString('hex')]) {
    assert.ok(!text.includes(form), 'the value of a secret is in a row, a span or a log')
  }
}

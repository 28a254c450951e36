import { join } from 'node:path'
import { build } from 'esbuild'
import type { Providers } from '../providers.js'
import type { Consumer } from '../consumer.js'
import type { Suite, World } from '../suite.js'
import { type Application, readingSuite, type Route } from './reading.js'

/** How an application comes: as it is written, as CommonJS, as one minified file with all its packages. */
export type Format = 'ESM' | 'CommonJS' | 'bundle' | 'webpack'

const vault = { credential: 'secret/orders-db', seen: 'wire' } as const
const viaHttp = (name: string, since?: number): Route => ({
  name,
  ...vault,
  ...(since !== undefined && { since }),
})

export const CLIENT_ROUTES: readonly Route[] = [
  { name: 'secrets-manager', credential: 'orders-db', seen: 'client' },
  { name: 'ssm', credential: '/orders/db', seen: 'client' },
  { name: 'kms', credential: 'KMS_KEY', operation: 'use_key', seen: 'client' },
  { name: 'node-vault', credential: 'secret/orders-db', seen: 'client' },
  viaHttp('fetch'),
  viaHttp('undici-6'),
  viaHttp('undici-7'),
  viaHttp('undici-8', 22),
  viaHttp('http'),
]

const PACKAGES = [
  '@aws-sdk/client-kms',
  '@aws-sdk/client-secrets-manager',
  '@aws-sdk/client-ssm',
  'node-vault',
  'undici-6@npm:undici@^6.0.0',
  'undici-7@npm:undici@^7.0.0',
]
const NEWER_PACKAGES = ['undici-8@npm:undici@^8.0.0']

/** What a Node of a line can run: undici 8 needs 22. */
export const clientPackages = (node: string): readonly string[] =>
  Number(node) < 22 ? PACKAGES : [...PACKAGES, ...NEWER_PACKAGES]

export const namesOf = (specs: readonly string[]): readonly string[] =>
  specs.map((spec) => spec.replace(/(?<=.)@.*/, ''))

export const CLIENT_NAMES = namesOf([...PACKAGES, ...NEWER_PACKAGES])

export const REGISTER = ['--import', 'otel-audit/register'] as const

/** Every client by one way to load it. */
export function clientSuite(format: Format, providers: (world: World) => Promise<Providers>): Suite {
  return readingSuite(clientApplication(format), providers)
}

export function clientApplication(format: Format, more: Partial<Application> = {}): Application {
  return {
    name: `clients, ${format}`,
    about: format === 'webpack' ? ['webpack', ...CLIENT_NAMES] : CLIENT_NAMES,
    routes: CLIENT_ROUTES,
    hooks: format === 'ESM' || format === 'CommonJS',
    async prepare({ consumer }) {
      await consumer.take('matrix/apps', 'clients.mjs', 'client-routes.mjs', 'serving.mjs')
      return [...REGISTER, await made(consumer, 'clients', format)]
    },
    ...more,
  }
}

/** An application of `matrix/apps` in a format. @returns its file */
export async function made(consumer: Consumer, name: string, format: Format): Promise<string> {
  if (format === 'ESM') return `${name}.mjs`
  if (format === 'webpack') return await byWebpack(consumer, name)
  const outfile = format === 'bundle' ? `${name}.bundle.cjs` : `${name}.cjs`
  await build({
    absWorkingDir: consumer.directory,
    entryPoints: [`${name}.mjs`],
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

/** For production: minified. */
async function byWebpack(consumer: Consumer, name: string): Promise<string> {
  const script = `
    require('webpack')({ mode: 'production', target: 'node', entry: './${name}.mjs', output: { filename: '${name}.js' } },
      (error, stats) => { if (error || stats.hasErrors()) throw error ?? new Error(stats.toString('errors-only')) })`
  const { code, stderr } = await consumer.run(['--eval', script])
  if (code !== 0) throw new Error(`webpack: ${stderr}`)
  return join('dist', `${name}.js`)
}

import assert from 'node:assert/strict'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import { install } from '../npm.js'
import { fakeProviders } from '../providers.js'
import type { Suite } from '../suite.js'

/** Of June 2023, November 2024, and the newest: `send` and the middleware have been at other places since. */
const VERSIONS = ['3.360.0', '3.699.0', 'latest']

/** Three versions of one client in one process, each with its own prototype. */
export const AWS_VERSIONS: Suite = {
  name: 'three AWS SDKs',
  about: ['@aws-sdk/client-secrets-manager'],
  async run({ consumer, database, check }) {
    for (const version of VERSIONS) {
      const directory = join(consumer.directory, `aws-${version}`)
      await mkdir(directory)
      await writeFile(join(directory, 'package.json'), '{ "private": true }')
      await install(directory, [`@aws-sdk/client-secrets-manager@${version}`], consumer.node)
      await cp(join(packageRoot(), 'matrix', 'apps', 'aws-version.mjs'), join(directory, 'read.mjs'))
    }
    const main = VERSIONS.map(
      (version) =>
        `console.log((await (await import('./aws-${version}/read.mjs')).read('of-${version}')).length)`,
    )
    await writeFile(join(consumer.directory, 'versions.mjs'), main.join('\n'))
    const providers = await fakeProviders()
    try {
      const env = { DATABASE_URL: database.url, NOETL_SECRET_AUDIT_REQUIRED: 'true', ...providers.env }
      const ended = await consumer.run(['--import', 'otel-audit/register', 'versions.mjs'], env)
      await check('each reads', async () => {
        const length = `${providers.value.length}\n`
        assert.deepEqual([ended.code, ended.stdout], [0, length.repeat(VERSIONS.length)], ended.stderr)
      })
      await check('each is hooked', async () => {
        const rows = await database.rows()
        assert.deepEqual(
          rows.map(({ credential, outcome, seen }) => `${credential} ${outcome} ${seen}`),
          VERSIONS.map((version) => `of-${version} ok client`),
        )
      })
    } finally {
      await providers.close()
    }
  },
}

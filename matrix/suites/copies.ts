import assert from 'node:assert/strict'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Suite, World } from '../suite.js'
import { started } from './started.js'

/** Another version of the API, under another name. */
export const OTHER_API = 'other-api@npm:@opentelemetry/api@^1.10.0'

const SDK = `data:text/javascript,${encodeURIComponent(`
  import { createRequire } from 'node:module'
  const { NodeSDK } = createRequire(process.cwd() + '/app.mjs')('@opentelemetry/sdk-node')
  new NodeSDK().start()
`)}`

const FOUND = /tracing was registered with @opentelemetry\/api 1\.9\.\d+.*npm ls @opentelemetry\/api/

/** Trees in which a package is twice, as they come about when ranges do not meet. */
export const COPIES: Suite = {
  name: 'two copies',
  async run(world) {
    const { check } = world
    await check('of the package', () => twoPackages(world))
    await nestApi(world)
    const env = { OTEL_TRACES_EXPORTER: 'console' }
    await check('of the API', async () => {
      const { stdout, stderr } = await started(world, ['--import', SDK], env)
      assert.match(stdout, new RegExp(`^warning tracer: ${FOUND.source}`, 'm'))
      assert.match(stderr, FOUND)
    })
    await check('of the API, under the preload', async () => {
      const { stdout, stderr } = await started(world, ['--import', 'otel-audit/register'], env)
      assert.match(stderr, FOUND)
      assert.match(stdout, /name: 'of the application'/)
    })
  },
}

/** A dependency that brings its own copy, and hands on the helper. */
async function twoPackages({ consumer, database }: World): Promise<void> {
  const modules = join(consumer.directory, 'node_modules')
  const dependency = join(modules, 'dependency')
  await mkdir(join(dependency, 'node_modules'), { recursive: true })
  await cp(join(modules, 'otel-audit'), join(dependency, 'node_modules', 'otel-audit'), { recursive: true })
  await writeFile(join(dependency, 'package.json'), '{ "name": "dependency", "exports": "./index.mjs" }')
  await writeFile(join(dependency, 'index.mjs'), "export { SecretAuditService } from 'otel-audit'\n")
  await consumer.take('matrix/apps', 'helper-of-another-copy.mjs')
  const { code, stdout, stderr } = await consumer.run(['helper-of-another-copy.mjs'], {
    DATABASE_URL: database.url,
  })
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'two copies\n' }, stderr)
  assert.equal((await database.rows()).length, 2)
}

/** From now on the package has an API of its own, which is newer than that of the SDK. */
async function nestApi({ consumer }: World): Promise<void> {
  const modules = join(consumer.directory, 'node_modules')
  const own = join(modules, 'otel-audit', 'node_modules', '@opentelemetry')
  await mkdir(own, { recursive: true })
  await cp(join(modules, 'other-api'), join(own, 'api'), { recursive: true })
}

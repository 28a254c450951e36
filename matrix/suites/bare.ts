import assert from 'node:assert/strict'
import type { Suite } from '../suite.js'
import { started } from './started.js'

/** Installed with the API alone: no SDK, and nothing that is optional. */
export const BARE: Suite = {
  name: 'without optional packages',
  async run(world) {
    const { consumer, check } = world
    await check('no optional package is installed', async () => {
      for (const name of ['lmdb', '@opentelemetry/sdk-node', '@opentelemetry/sdk-metrics']) {
        assert.equal(await consumer.version(name), undefined, name)
      }
    })
    await check('rows', async () => {
      const { stdout } = await started(world, [])
      assert.match(stdout, /^warning tracer: .*records no span: records take the direct path/m)
    })
    for (const preload of ['--import', '--require']) {
      await check(`${preload} otel-audit/register names what to install`, async () => {
        const { code, stdout, stderr } = await consumer.run([preload, 'otel-audit/register', 'started.mjs'], {
          DATABASE_URL: world.database.url,
        })
        assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
        assert.match(stderr, /AUDIT_MISSING_PACKAGE: .*npm install @opentelemetry\/sdk-node/)
      })
    }
    await check('a spool names what to install', async () => {
      const { stdout } = await started(world, [], {
        NOETL_SECRET_AUDIT_SPOOL_DIR: `${consumer.directory}/spool`,
      })
      assert.match(stdout, /^error spool: .*npm install lmdb/m)
    })
  },
}

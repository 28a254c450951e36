import assert from 'node:assert/strict'
import type { Suite } from '../suite.js'

/** The command as npm linked it. */
export const CLI: Suite = {
  name: 'command line',
  async run({ consumer, database, check }) {
    const env = { DATABASE_URL: database.url }
    await check('--version', async () => {
      assert.equal((await consumer.cli(['--version'])).trim(), await consumer.version('otel-audit'))
    })
    await check('migrate again', async () => {
      await consumer.cli(['migrate', '--roles'], { DATABASE_URL: database.ownerUrl })
    })
    await check('doctor', async () => {
      const { ok } = JSON.parse(await consumer.cli(['doctor', '--format', 'json'], env)) as { ok: boolean }
      assert.equal(ok, true)
    })
  },
}

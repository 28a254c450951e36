import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import type { Suite } from '../suite.js'

/** What a reader of the README does first: install, paste, run. */
export const README: Suite = {
  name: 'the README',
  async run({ consumer, database, check }) {
    const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8')
    const blocks = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, source = '']) => source)
    const pasted = blocks.find((source) => source.includes('new NodeSDK('))
    await check('its example stores a row', async () => {
      assert.ok(pasted)
      await writeFile(join(consumer.directory, 'pasted.mjs'), pasted)
      const { code, stderr } = await consumer.run(['pasted.mjs'], { DATABASE_URL: database.url })
      assert.equal(code, 0, stderr)
      assert.deepEqual(
        (await database.rows()).map(({ credential, outcome }) => `${credential} ${outcome}`),
        ['orders-db ok'],
      )
    })
  },
}

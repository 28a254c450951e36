import assert from 'node:assert/strict'
import { waitUntil } from '../../test/support/wait-until.js'
import { fakeHooked } from '../providers.js'
import type { Suite } from '../suite.js'
import { namesOf, REGISTER } from './clients.js'
import { HOOKED_CLIENT_PACKAGES } from './more-clients.js'

const CREDENTIAL = 'projects/p/secrets/orders-db/versions/latest'

/**
 * Google's client without its hook: its gRPC is over HTTP/2, of which Node tells from 22.23 on. Then it is recorded as observed,
 * and not sent where instrumentation is required; before, it is not seen.
 */
export const GRPC: Suite = {
  name: 'gRPC without its hook',
  about: namesOf(HOOKED_CLIENT_PACKAGES).filter((name) => name.startsWith('@google-cloud')),
  async run({ consumer, database, check }) {
    await consumer.take('matrix/apps', 'hooked-clients.mjs', 'serving.mjs')
    const from = await fakeHooked()
    const start = (env: Readonly<Record<string, string>>) =>
      consumer.start([...REGISTER, 'hooked-clients.mjs'], {
        DATABASE_URL: database.url,
        NOETL_SECRET_AUDIT_INSTRUMENT_DISABLE: 'gcp-secret-manager',
        ...from.env,
        ...env,
      })
    try {
      const program = start({})
      await check('it works', async () => {
        assert.equal(await program.get('/google-secrets'), `${from.value.length} characters`)
      })
      const found = async (): Promise<readonly string[]> =>
        (await database.rows()).map(({ credential, outcome, seen }) => `${credential} ${outcome} ${seen}`)
      if (consumer.isOlderThan(22)) {
        await program.terminate()
        await check('no row: it is not seen', async () => assert.deepEqual(await found(), []))
        return
      }
      await check('a row', async () => {
        await waitUntil('the row', async () => (await found()).length > 0)
        assert.deepEqual(await found(), [`${CREDENTIAL} ok observed`])
        return 'observed'
      })
      await program.terminate()
      const required = start({ NOETL_SECRET_AUDIT_INSTRUMENT: 'required' })
      await check('required: it is not sent', async () => {
        const error = await required.get('/google-secrets').then(
          (text) => `released: ${text}`,
          ({ message }: Error) => message.split('\n')[0] ?? '',
        )
        assert.match(error, /^503 /)
        return error
      })
      await required.terminate()
    } finally {
      await from.close()
    }
  },
}

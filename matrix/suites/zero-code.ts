import assert from 'node:assert/strict'
import { exportingTo } from '../../test/support/program.js'
import { waitUntil } from '../../test/support/wait-until.js'
import { COMMAND } from '../consumer.js'
import { fakeProviders } from '../providers.js'
import type { Suite } from '../suite.js'
import { made, namesOf, REGISTER } from './clients.js'
import { counted, countedIn, EXPORTING_METRICS, spansOf } from './telemetry.js'

export const ZERO_CODE_PACKAGES = ['express@^5.1.0', '@aws-sdk/client-secrets-manager', 'node-vault']

const PATHS = ['/orders', '/payments', '/mail']
const CREDENTIALS = ['orders-db', 'secret/payments', 'secret/mail']
const LAYERS = { ESM: ['client', 'client', 'wire'], bundle: ['wire', 'wire', 'wire'] } as const

/** `examples/zero-code`, as it is and bundled: rows, spans, metrics and coverage of an application with no line of ours. */
export const zeroCodeSuite = (format: 'ESM' | 'bundle'): Suite => ({
  name: `examples/zero-code, ${format}`,
  about: namesOf(ZERO_CODE_PACKAGES),
  async run({ consumer, database, receiver, check }) {
    await consumer.take('examples/zero-code', 'app.mjs')
    const from = await fakeProviders()
    try {
      const program = consumer.start([...REGISTER, await made(consumer, 'app', format)], {
        DATABASE_URL: database.url,
        PORT: '0',
        OTEL_SERVICE_NAME: 'orders',
        ...exportingTo(receiver.url),
        ...EXPORTING_METRICS,
        NOETL_SECRET_AUDIT_REQUIRED: 'true',
        NOETL_SECRET_AUDIT_DEADLINE_MS: '60000',
        ...from.env,
      })
      for (const path of PATHS) {
        await check(`GET ${path}`, async () => {
          assert.equal(await program.get(path), '{"connected":true}')
        })
      }
      const rows = await database.rows()
      await check('rows', async () => {
        const said = rows.map(({ credential, outcome, seen }) => `${credential} ${outcome} ${seen}`)
        assert.deepEqual(
          said,
          CREDENTIALS.map((credential, i) => `${credential} ok ${LAYERS[format][i]}`),
        )
        return said.join('; ')
      })
      await check('coverage', async () => {
        const args = [COMMAND, 'coverage', '--format', 'ndjson']
        const wanted = format === 'ESM' ? /"hooked"/ : /"wire"/
        const lines = await waitUntil('the coverage', async () => {
          const { stdout } = await consumer.run(args, { DATABASE_URL: database.ownerUrl })
          return wanted.test(stdout) && stdout
        })
        const entries = lines.trim().split('\n')
        const said = entries.map((text) => JSON.parse(text) as { client: string; state: string })
        assert.ok(said.every(({ state }) => state === 'hooked' || state === 'wire'))
        return said.map(({ client, state }) => `${client} ${state}`).join('; ')
      })
      await check('spans', () => spansOf(receiver, rows))
      await program.terminate()
      await check('metrics', async () => {
        assert.deepEqual(counted(receiver), countedIn(rows))
        return JSON.stringify(counted(receiver))
      })
      await check('the value is nowhere', async () => {
        const { rows: all } = await database.query('select secret_audit::text as row from noetl.secret_audit')
        const text = JSON.stringify([all, receiver.spans, receiver.points, program.stdout, program.stderr])
        assert.ok(!text.includes(from.value))
      })
    } finally {
      await from.close()
    }
  },
})

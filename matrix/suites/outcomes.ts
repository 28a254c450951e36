import assert from 'node:assert/strict'
import { exportingTo } from '../../test/support/program.js'
import type { Providers } from '../providers.js'
import type { Suite } from '../suite.js'

/** What the rows of `matrix/apps/outcomes.mjs` say, in the order of its steps. */
const EXPECTED = (key: string): readonly string[] => [
  'get_credential orders-db ok',
  'get_credential no-such-secret credential_not_found',
  'get_credential deleted invalid_state',
  'get_credential orders-db provider_unreachable',
  'get_credential orders-db ok',
  'get_credential no-such-secret credential_not_found',
  'get_credential /orders/none credential_not_found',
  'get_credential /orders/db ok',
  'get_credential /orders/none credential_not_found',
  'get_credential /orders/db/read ok',
  'get_credential /orders/db/write ok',
  'get_credential /orders/db ok',
  `use_key ${key} ok`,
  `use_key ${key} decryption_failure`,
  `use_key ${key} ok`,
  'get_credential secret/orders-db ok',
  'get_credential kv1/orders-db ok',
  'get_credential secret/none credential_not_found',
  'get_credential secret/deleted credential_not_found',
  'get_credential secret/orders-db access_denied',
  'get_credential secret/orders-db provider_unreachable',
  'use_key transit/decrypt/orders ok',
  'use_key transit/decrypt/orders decryption_failure',
  'issue_credential auth/token/create ok',
  'issue_credential auth/approle/login invalid_request',
]

/** What real servers answer, and what the rows make of it: the tables of outcomes of `docs/instrumentation.md`. */
export function outcomesSuite(providers: () => Promise<Providers>): Suite {
  return {
    name: 'outcomes of real servers',
    about: ['@aws-sdk/client-secrets-manager', 'node-vault'],
    async run({ consumer, database, receiver, check }) {
      const providing = await providers()
      const { env, value } = providing
      try {
        await consumer.take('matrix/apps', 'outcomes.mjs')
        const own = {
          DATABASE_URL: database.url,
          NOETL_SECRET_AUDIT_REQUIRED: 'true',
          ...exportingTo(receiver.url),
        }
        const ended = await consumer.run(['--import', 'otel-audit/register', 'outcomes.mjs'], {
          ...own,
          ...env,
        })
        await check('it ends', async () => assert.equal(ended.code, 0, ended.stderr))
        const rows = await database.rows()
        await check('each outcome', async () => {
          const said = rows.map(
            ({ operation, credential, outcome }) =>
              `${operation} ${credential.replace(/^arn:.*:key\//, '')} ${outcome}`,
          )
          assert.deepEqual(said, EXPECTED(env['KMS_KEY'] ?? ''))
        })
        await check('the value is nowhere', async () => {
          assert.ok(!JSON.stringify([rows, receiver.spans, ended]).includes(value))
        })
      } finally {
        await providing.close()
      }
    },
  }
}

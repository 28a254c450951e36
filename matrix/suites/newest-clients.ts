import assert from 'node:assert/strict'
import { CLIENT_HOOKS } from '../../src/instrument/client-hooks.js'
import { waitUntil } from '../../test/support/wait-until.js'
import type { Suite } from '../suite.js'

/** Every package that is hooked, in its newest version. */
export const HOOKED_PACKAGES: readonly string[] = CLIENT_HOOKS.flatMap(({ packages }) => packages)

/** The hook of each client finds its members in the newest version, and its probe comes back. */
export const NEWEST_CLIENTS: Suite = {
  name: 'newest clients',
  about: HOOKED_PACKAGES,
  async run({ consumer, database, check }) {
    await consumer.take('matrix/apps', 'load-all.mjs')
    const program = consumer.start(['--import', 'otel-audit/register', 'load-all.mjs'], {
      DATABASE_URL: database.url,
      NOETL_SECRET_AUDIT_INSTRUMENT_IDENTITY: 'true',
    })
    await waitUntil('all clients to be loaded', () => program.stdout.includes('loaded'))
    const covered = async (): Promise<ReadonlyMap<string, string>> => {
      const { rows } = await database.query<{ credential: string; outcome: string }>(
        `select credential, outcome from noetl.secret_audit where operation = 'audit_coverage' order by audit_id`,
      )
      return new Map(
        rows.map(({ credential, outcome }) => [credential.replace(/(?<=.)@[^@]*$/, ''), outcome]),
      )
    }
    for (const name of HOOKED_PACKAGES) {
      await check(name, async () => {
        const outcome = await waitUntil(`coverage of ${name}`, async () => (await covered()).get(name))
        assert.equal(outcome, 'hooked', program.stderr)
      })
    }
    await program.terminate()
  },
}

import assert from 'node:assert/strict'
import { exportingTo } from '../../test/support/program.js'
import { waitUntil } from '../../test/support/wait-until.js'
import { fronted } from '../fronts.js'
import { fakeProviders } from '../providers.js'
import type { Suite, World } from '../suite.js'
import { CLIENT_NAMES, CLIENT_ROUTES, clientApplication } from './clients.js'

/** What becomes of accesses that go wrong, and of a hook that is not there. */
export const FAILURES: Suite = {
  name: 'failures',
  about: CLIENT_NAMES,
  async run(world) {
    const args = await clientApplication('ESM').prepare(world)
    await retried(world, args)
    await dying(world, args)
    await hookTakenOut(world, args)
    await ownPassword(world)
  },
}

const STRICT = { NOETL_SECRET_AUDIT_REQUIRED: 'true', NOETL_SECRET_AUDIT_DEADLINE_MS: '60000' }

/** Answers of 500, 500 and 200 are one access. */
async function retried({ consumer, database, check }: World, args: readonly string[]): Promise<void> {
  const from = await fakeProviders()
  try {
    const program = consumer.start(args, { DATABASE_URL: database.url, ...STRICT, ...from.env })
    await program.get('/secrets-manager?name=flaky')
    await program.terminate()
    await check('500, 500, 200 is one row', async () => {
      const { rows } = await database.query<{ credential: string; outcome: string; attempts: string }>(
        `select credential, outcome, attributes ->> 'attempts' as attempts from noetl.secret_audit
         where operation = 'get_credential'`,
      )
      assert.deepEqual(rows, [{ credential: 'flaky', outcome: 'ok', attempts: '3' }])
      return '1 row, 3 attempts'
    })
  } finally {
    await from.close()
  }
}

/** The server dies in the middle of its answer: every client hears of it. */
async function dying(world: World, args: readonly string[]): Promise<void> {
  const { consumer, database, check } = world
  const from = await fronted(await fakeProviders(), 'dying', world)
  try {
    const program = consumer.start(args, {
      DATABASE_URL: database.url,
      ...STRICT,
      ...from.env,
      AWS_MAX_ATTEMPTS: '1',
    })
    for (const { name, since = 0 } of CLIENT_ROUTES) {
      // Its ciphertext comes from the same server.
      if (name === 'kms' || consumer.isOlderThan(since)) continue
      const before = (await database.rows()).length
      await check(`a server that dies in mid-answer: ${name}`, async () => {
        const error = await program.get(`/${name}`).then(
          (text) => `released: ${text}`,
          ({ message }: Error) => message.split('\n')[0] ?? '',
        )
        assert.match(error, /^503 /)
        assert.doesNotMatch(error, /AUDIT_/)
        const rows = await waitUntil('its row', async () => {
          const more = (await database.rows()).slice(before)
          return more.length > 0 && more
        })
        return `${error}; ${rows.map(({ outcome, seen }) => `${outcome}, ${seen}`).join('; ')}`
      })
    }
    await program.terminate()
  } finally {
    await from.close()
  }
}

/** What a hook would have seen, the wire sees; and it is said, in a row and by a metric. */
async function hookTakenOut(world: World, args: readonly string[]): Promise<void> {
  const { consumer, database, receiver, check } = world
  const from = await fakeProviders()
  try {
    const program = consumer.start(args, {
      DATABASE_URL: database.url,
      ...STRICT,
      NOETL_SECRET_AUDIT_OUTAGE_DEADLINE_MS: '1000',
      ...exportingTo(receiver.url),
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
      OTEL_METRIC_EXPORT_INTERVAL: '200',
      OTEL_METRIC_EXPORT_TIMEOUT: '200',
      NOETL_SECRET_AUDIT_INSTRUMENT_DISABLE: 'node-vault',
      ...from.env,
    })
    await waitUntil('a secret', () => program.get('/node-vault').catch(() => false))
    await check('a hook taken out: the row is of the wire', async () => {
      const row = (await database.rows()).at(-1)
      assert.deepEqual([row?.credential, row?.outcome, row?.seen], ['secret/orders-db', 'ok', 'wire'])
    })
    await check('a hook taken out: a row of coverage', async () => {
      await waitUntil('the row', async () => {
        const { rows } = await database.query(
          `select from noetl.secret_audit where operation = 'audit_coverage' and credential = 'wire:vault' and outcome = 'wire'`,
        )
        return rows.length > 0
      })
      return 'wire:vault is wire'
    })
    await check('a hook taken out: a metric', async () => {
      const metric = 'noetl.secret_audit.coverage'
      await waitUntil('the metric', () =>
        receiver.points.some(
          ({ metric: name, attributes, value }) =>
            name === metric &&
            attributes['client'] === 'wire:vault' &&
            attributes['state'] === 'wire' &&
            value === 1,
        ),
      )
      return `${metric}{client="wire:vault",state="wire"} 1`
    })
    await database.stopServer()
    try {
      await check('a hook taken out: strict holds', () =>
        assert.rejects(program.get('/node-vault'), /^Error: 503 .*AUDIT_\w+/),
      )
    } finally {
      await database.startServer()
    }
    await program.terminate()
  } finally {
    await from.close()
  }
}

/** The password of the trail's database is a secret of the audited Vault. */
async function ownPassword({ consumer, database, check }: World): Promise<void> {
  const from = await fakeProviders()
  try {
    await consumer.take('matrix/apps', 'own-password.mjs')
    await check('a pipeline whose own password is audited', async () => {
      const { code, stdout, stderr } = await consumer.run(['own-password.mjs'], {
        TRAIL_URL: database.url,
        ...STRICT,
        ...from.env,
      })
      assert.deepEqual({ code, stdout }, { code: 0, stdout: `${from.value.length} characters\n` }, stderr)
      const { rows } = await database.query<{ own: string | null }>(
        `select distinct attributes ->> 'own' as own from noetl.secret_audit where credential = 'secret/trail' `,
      )
      assert.deepEqual(rows, [{ own: 'true' }])
      return 'no deadlock; its row is async, own: true'
    })
  } finally {
    await from.close()
  }
}

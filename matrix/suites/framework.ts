import assert from 'node:assert/strict'
import { SERVER_KIND } from '../../test/support/otlp-receiver.js'
import { exportingTo } from '../../test/support/program.js'
import type { Suite, World } from '../suite.js'
import { underServerSpan } from './server-span.js'

interface Framework {
  readonly name: string
  /** Its package. */
  readonly about: string
  /** What `node` is given. */
  readonly args: readonly string[]
  /** Makes the application. */
  readonly prepare: (world: World) => Promise<void>
  /** Instrumentation scopes of which there must be spans: those that the auto-instrumentations have for it. */
  readonly scopes: readonly string[]
}

const HTTP = '@opentelemetry/instrumentation-http'

/** An application with one audited route, started as its users start it. */
export function frameworkSuite({ name, about, args, prepare, scopes }: Framework): Suite {
  return {
    name,
    about: [about, '@opentelemetry/auto-instrumentations-node'],
    async run(world) {
      const { consumer, database, receiver, check } = world
      await check('prepared', () => prepare(world))
      const env = { DATABASE_URL: database.url, PORT: '0', ...exportingTo(receiver.url) }
      const program = consumer.start(args, { ...env, NOETL_SECRET_AUDIT_REQUIRED: 'true' })
      await check('an access', async () => {
        const body = await program.get('/credentials/orders-db', { 'x-user': 'ada' })
        assert.deepEqual(JSON.parse(body), { length: 23 })
      })
      await check('a denial', () => assert.rejects(program.get('/credentials/none'), /^Error: 404 /))
      await check('it ends', async () => {
        await program.terminate()
        assert.doesNotMatch(program.stderr, /self-test: (?!meter)/)
      })
      const rows = await database.rows()
      await check('the rows', async () => {
        assert.deepEqual(
          rows.map(({ credential, outcome }) => `${credential} ${outcome}`),
          ['orders-db ok', 'none credential_not_found'],
        )
      })
      await check('audit spans below the server span', async () => {
        for (const { span_id } of rows) assert.ok(underServerSpan(receiver, span_id), `span ${span_id}`)
        const server = receiver.spans.filter(({ kind }) => kind === SERVER_KIND)
        assert.deepEqual([...new Set(server.map(({ scope }) => scope))], [HTTP])
        for (const scope of scopes)
          assert.ok(
            receiver.spans.some((span) => span.scope === scope),
            scope,
          )
      })
    },
  }
}

import assert from 'node:assert/strict'
import { COMMAND } from '../consumer.js'
import type { Providers } from '../providers.js'
import type { Suite, World } from '../suite.js'

interface Report {
  readonly result: string
  readonly rows: number
  readonly both: number
  readonly matched_by: { readonly request_id: number; readonly path_and_time: number }
  readonly not_compared: { readonly rows_that_need_no_entry: number }
  readonly only_in_the_trail: readonly unknown[]
  readonly only_by_the_provider: readonly {
    readonly time: string
    readonly credential: string
    readonly api: string
    readonly result: string
  }[]
}

interface Reconciled {
  readonly code: number | null
  readonly report: Report
}

/** What reads the OpenBao and has a hook, and what only the wire sees. */
const ROUTES = ['node-vault', 'fetch', 'http', 'undici-7'] as const

/**
 * The rows against what OpenBao's own audit device says: each access has its row, of whatever outcome and layer; and those that
 * nothing saw are named.
 */
export function reconcileSuite(providers: () => Promise<Providers & { readonly auditFile: string }>): Suite {
  return {
    name: 'reconcile with the audit device of OpenBao',
    about: ['node-vault'],
    async run(world) {
      const from = await providers()
      try {
        await world.consumer.take(
          'matrix/apps',
          'clients.mjs',
          'client-routes.mjs',
          'serving.mjs',
          'outcomes.mjs',
        )
        await checkOutcomes(world, from)
        await checkLayers(world, from)
        await checkMissing(world, from)
      } finally {
        await from.close()
      }
    },
  }
}

type From = Providers & { readonly auditFile: string }

/** From now on: what filled the OpenBao before is not compared. */
function comparing({ consumer, database }: World, { auditFile }: From): () => Promise<Reconciled> {
  const since = new Date().toISOString()
  return async () => {
    const args = ['reconcile', '--vault-audit', auditFile, '--from', since, '--format', 'json']
    const { code, stdout, stderr } = await consumer.run([COMMAND, ...args], {
      DATABASE_URL: database.ownerUrl,
    })
    assert.notEqual(stdout, '', stderr)
    return { code, report: JSON.parse(stdout) as Report }
  }
}

async function checkOutcomes(world: World, from: From): Promise<void> {
  const { consumer, database, check } = world
  const compare = comparing(world, from)
  const env = { DATABASE_URL: database.url, ...from.env }
  const { code, stderr } = await consumer.run(['--import', 'otel-audit/register', 'outcomes.mjs'], env)
  await check('every outcome is read', async () => assert.equal(code, 0, stderr))
  await check('every outcome is on both sides', async () => {
    const compared = await compare()
    assert.deepEqual([...compared.report.only_by_the_provider, ...compared.report.only_in_the_trail], [])
    assert.equal(compared.report.result, 'complete')
    assert.equal(compared.code, 0)
    assert.ok(compared.report.matched_by.request_id > 0 && compared.report.matched_by.path_and_time > 0)
    assert.equal(compared.report.not_compared.rows_that_need_no_entry, 1)
    return said(compared)
  })
}

async function checkLayers(world: World, from: From): Promise<void> {
  const compare = comparing(world, from)
  await read(world, from, {})
  await world.check('every layer is on both sides', async () => {
    const compared = await compare()
    const { code, report } = compared
    assert.equal(report.result, 'complete', JSON.stringify(report))
    assert.deepEqual([report.both, code], [ROUTES.length, 0])
    assert.deepEqual(report.matched_by, { request_id: 1, path_and_time: ROUTES.length - 1 })
    return said(compared)
  })
}

/** The hook taken out, and the wire off. */
async function checkMissing(world: World, from: From): Promise<void> {
  const compare = comparing(world, from)
  await read(world, from, { NOETL_SECRET_AUDIT_INSTRUMENT_DISABLE: 'node-vault,wire' })
  await world.check('what nothing saw is named', async () => {
    const compared = await compare()
    const { code, report } = compared
    assert.deepEqual([report.both, report.only_in_the_trail, code], [0, [], 1])
    assert.deepEqual(
      report.only_by_the_provider.map(({ credential, result }) => `${credential} ${result}`),
      ROUTES.map(() => 'secret/orders-db released'),
    )
    return said(compared)
  })
}

/** The result in short, with each access that has no row. */
function said({ code, report }: Reconciled): string {
  const missing = report.only_by_the_provider.map(
    ({ time, credential, api }) => `\n  only by the provider: ${time} ${credential} (${api})`,
  )
  return `${report.result}, exit code ${code}: ${report.both} on both sides${missing.join('')}`
}

async function read(
  { consumer, database, check }: World,
  from: From,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const program = consumer.start(['--import', 'otel-audit/register', 'clients.mjs'], {
    DATABASE_URL: database.url,
    ...from.env,
    ...env,
  })
  for (const name of ROUTES) {
    await check(name, async () =>
      assert.equal(await program.get(`/${name}`), `${from.value.length} characters`),
    )
  }
  await program.terminate()
}

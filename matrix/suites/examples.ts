import assert from 'node:assert/strict'
import { example } from '../examples.js'
import type { Suite, World } from '../suite.js'

/** The examples without a framework, run as described in their heads. */
export const EXAMPLES: Suite = {
  name: 'examples',
  async run(world) {
    const { check } = world
    await check('own-sdk.mjs', () =>
      ends(world, 'own-sdk.mjs', {
        said: ['released 23 characters'],
        rows: ['orders-cache ok', 'orders-db ok'],
      }),
    )
    await check('existing-pool.mjs', () =>
      ends(world, 'existing-pool.mjs', { said: ['committed'], rows: ['orders-db ok'] }),
    )
    await check('strict-per-credential.mjs', () => strictPerCredential(world))
    await check('zero-code.mjs', () => zeroCode(world))
  },
}

async function ends(
  { consumer, database }: World,
  file: string,
  expected: { readonly said: readonly string[]; readonly rows: readonly string[] },
): Promise<void> {
  const { args } = example(file)
  await consumer.take('examples', file)
  const before = (await database.rows()).length
  const { code, stdout, stderr } = await consumer.run(args, { DATABASE_URL: database.url })
  assert.deepEqual({ code, said: stdout.trim().split('\n') }, { code: 0, said: expected.said }, stderr)
  const rows = (await database.rows()).slice(before)
  assert.deepEqual(rows.map(({ credential, outcome }) => `${credential} ${outcome}`).sort(), expected.rows)
}

/** With the database, and without. */
async function strictPerCredential(world: World): Promise<void> {
  await ends(world, 'strict-per-credential.mjs', {
    said: ['payments/hsm: released 21 characters', 'docs/search-key: released 21 characters'],
    rows: ['docs/search-key ok', 'payments/hsm ok'],
  })
  const away = { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none' }
  const { stdout } = await world.consumer.run(example('strict-per-credential.mjs').args, away)
  assert.deepEqual(stdout.trim().split('\n'), [
    // The first strict record starts the pipeline, and its self-test does not reach the database.
    'payments/hsm: withheld, AUDIT_SELF_TEST, its row is not-stored',
    'docs/search-key: released 21 characters',
  ])
}

async function zeroCode({ consumer, database }: World): Promise<void> {
  await consumer.take('examples', 'zero-code.mjs')
  const program = consumer.start(example('zero-code.mjs').args, { DATABASE_URL: database.url, PORT: '0' })
  assert.equal(await program.get('/credentials/orders-db'), '23 characters\n')
  await assert.rejects(program.get('/credentials/none'), /^Error: 404 /)
  await program.terminate()
  const rows = (await database.rows()).slice(-2)
  assert.deepEqual(
    rows.map(({ outcome }) => outcome),
    ['ok', 'credential_not_found'],
  )
}

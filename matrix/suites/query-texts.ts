import assert from 'node:assert/strict'
import type { Suite, World } from '../suite.js'

interface Texts {
  readonly applications: readonly string[]
  readonly ours: readonly string[]
}

/**
 * Something rewrites the texts of all queries of `pg`: what the application sends is rewritten, and what this library
 * sends is not.
 */
export async function unchangedTexts(
  { consumer, database }: World,
  preloads: readonly string[],
  rewritten: RegExp,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  await consumer.take('matrix/apps', 'query-texts.mjs')
  const before = (await database.rows()).length
  const { code, stdout, stderr } = await consumer.run([...preloads, 'query-texts.mjs'], {
    DATABASE_URL: database.url,
    ...env,
  })
  assert.equal(code, 0, stderr)
  const { applications, ours } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Texts
  assert.match(applications.join('\n'), rewritten)
  assert.notEqual(ours.length, 0)
  assert.doesNotMatch(ours.join('\n'), rewritten)
  assert.equal((await database.rows()).length, before + 1)
}

/** Beside other versions of `pg`, and beside somebody who has replaced the `query` of all its clients. */
export const PG: Suite = {
  name: 'pg',
  about: ['pg'],
  async run(world) {
    await world.consumer.take('matrix/apps', 'rewriting.mjs')
    await world.check('its `query` rewrites every text', () =>
      unchangedTexts(world, ['--import', './rewriting.mjs'], /\/\*rewritten\*\//),
    )
  },
}

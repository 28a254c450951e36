import assert from 'node:assert/strict'
import type { Ended } from '../consumer.js'
import type { Row } from '../database.js'
import type { World } from '../suite.js'

export interface Started extends Ended {
  readonly rows: readonly Row[]
}

/** Runs `matrix/apps/started.mjs`: both of its rows are stored, whatever the tracing. @returns its output */
export async function started(
  { consumer, database }: World,
  preloads: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Started> {
  await consumer.take('matrix/apps', 'started.mjs')
  const before = (await database.rows()).length
  const ended = await consumer.run([...preloads, 'started.mjs'], { DATABASE_URL: database.url, ...env })
  assert.equal(ended.code, 0, ended.stderr)
  assert.match(ended.stdout, /^closed$/m)
  const rows = (await database.rows()).slice(before)
  assert.deepEqual(
    rows.map(({ credential }) => credential),
    ['strict', 'async'],
  )
  return { ...ended, rows }
}

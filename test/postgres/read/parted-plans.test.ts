import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { boundedBlockSelect } from '../../../src/postgres/block-row.js'
import { readSql, renderSql } from '../../../src/postgres/sql-text.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'

// What a run of `verify --state` asks for is found by keys: the time that it takes depends on what is asked for.

const CHAINS = 200
const BLOCKS = 500

let database: TestDatabase
let owner: Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  await owner.query('alter table noetl.secret_audit_block disable trigger user')
  // Blocks as many chains write them beside each other; nobody verifies them here.
  await owner.query(
    `insert into noetl.secret_audit_block (chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count,
       row_total, lost_total, block_time, body, signatures)
     select md5(chain::text)::uuid, block, 'l', case block when 0 then 'genesis' else 'data' end, '\\x00', id, id + 5, '\\x00', 1,
       block, 0, id, repeat('x', 100), repeat('s', 200)
     from generate_series(0, ${BLOCKS - 1}) as block, generate_series(1, ${CHAINS}) as chain,
       lateral (select (block * ${CHAINS} + chain) * 1000::bigint as id) i
     order by block, chain`,
  )
  await owner.query('vacuum analyze noetl.secret_audit_block')
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

interface Node {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly Node[]
}

/** How the blocks are found, and how many are looked at. */
async function looked(
  file: string,
  values: Readonly<Record<string, string>>,
): Promise<{ how: string[]; at: number }> {
  const base = new URL('../../../src/postgres/read/', import.meta.url).href
  const copy = renderSql(await readSql(`./parts-${file}.sql`, base), 'noetl', {
    BLOCK: boundedBlockSelect('block'),
    ...values,
  })
  const [, select = ''] = /copy \(([\s\S]*)\) to stdout/.exec(copy) ?? []
  const { rows } = await owner.query<{ 'QUERY PLAN': readonly { Plan: Node }[] }>(
    `explain (analyze, format json) ${select}`,
  )
  const how = new Set<string>()
  let at = 0
  const visit = (node: Node): void => {
    if (node['Relation Name'] === 'secret_audit_block') {
      how.add(node['Node Type'])
      const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
      at += (node['Actual Rows'] + removed) * node['Actual Loops']
    }
    for (const plan of node.Plans ?? []) visit(plan)
  }
  for (const { Plan } of rows[0]?.['QUERY PLAN'] ?? []) visit(Plan)
  return { how: [...how].toSorted(), at }
}

const chainIds = async (): Promise<readonly string[]> =>
  (
    await owner.query<{ id: string }>('select distinct chain_id::text as id from noetl.secret_audit_block')
  ).rows.map(({ id }) => id)
const list = (values: readonly unknown[]): string => `'{${values.join(',')}}'`
/** A hundredth of the trail. */
const RANGE = { FIRST: `'${250 * CHAINS * 1000}'::bigint`, LAST: `'${255 * CHAINS * 1000}'::bigint` }
const ALL = CHAINS * BLOCKS

test('new blocks, and the heads of all chains', async () => {
  const chains = await chainIds()
  const values = { CHAINS: list(chains), NUMBERS: list(chains.map(() => BLOCKS - 3)) }
  const { how, at } = await looked('onwards', values)
  expect(how).not.toContain('Seq Scan')
  expect(at).toBeLessThan(ALL / 20)
})

test('a share of the chains', async () => {
  const [chain = ''] = (await chainIds()).toSorted()
  const values = {
    AFTER_CHAIN: `'${chain}'`,
    AFTER_NUMBER: '10',
    LAST_CHAIN: `'${chain}'`,
    LAST_NUMBER: '400',
  }
  const { how, at } = await looked('in-order', values)
  expect(how).not.toContain('Seq Scan')
  expect(at).toBeLessThan(ALL / 20)
})

test.each(['of-ids', 'row-blocks'])('a share of the ids: %s', async (file) => {
  const { how, at } = await looked(file, RANGE)
  expect(how).not.toContain('Seq Scan')
  expect(at).toBeLessThan(ALL / 4)
})

test('blocks by their places', async () => {
  const places = (await chainIds()).slice(0, 50)
  const { how, at } = await looked('places', { CHAINS: list(places), NUMBERS: list(places.map(() => 7)) })
  expect(how).not.toContain('Seq Scan')
  expect(at).toBeLessThanOrEqual(50)
})

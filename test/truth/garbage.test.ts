import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyReport } from '../cli/attack.js'
import { type HonestTrail, honestTrail, ORIGIN } from '../cli/honest-trail.js'
import { connect, copyOf } from '../support/database.js'
import { withoutBounds } from '../support/without-bounds.js'

let honest: HonestTrail
let directory: string
let full: readonly string[]

beforeAll(async () => {
  honest = await honestTrail()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-garbage-'))
  const file = (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(path, text)
    return path
  }
  const trust = file('trust', `origin ${ORIGIN}\nenrolment ${honest.verifierKey}\nunsigned none\n`)
  full = ['--trust', trust, '--anchors', file('notes', honest.blocks.map(({ note }) => note).join(''))]
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await honest.database.drop()
})

/** What the writer role may insert, and how the trail verifies then. */
async function verifiedWith(
  garbage: (writer: Client) => Promise<unknown>,
): Promise<Awaited<ReturnType<typeof verifyReport>>> {
  const database = await copyOf(honest.database)
  const client = await connect(database.url)
  // An owner may drop the bounds, and rows of older versions are older than they.
  await withoutBounds(client)
  const name = `garbage_${process.pid}_${Date.now()}`
  try {
    await client.query(`create role ${name} login password 'x' in role noetl_audit_writer`)
    const as = new URL(database.url)
    as.username = name
    as.password = 'x'
    const writer = await connect(as.href)
    await garbage(writer)
    await writer.end()
    return await verifyReport(database.url, ...full)
  } finally {
    await client.query(`drop owned by ${name}; drop role ${name}`)
    await client.end()
    await database.drop()
  }
}

const BLOCKS = `insert into noetl.secret_audit_block (chain_id, block_no, log, kind, prev_hash, min_id, max_id, root,
  row_count, row_total, lost_total, block_time, body, signatures) `
const HONEST_ROWS = { proven: 57, unsigned: 0 }

test('50,001 blocks of one chain that reach over all ids', async () => {
  const { code, report } = await verifiedWith((writer) =>
    writer.query(`${BLOCKS}
      select 'ffffffff-ffff-ffff-ffff-ffffffffffff', i, '', '', '', -9223372036854775808, 9223372036854775807, '', 1,
        0, 0, 0, '', '' from generate_series(1, 50001) i`),
  )
  expect([code, report['rows']]).toEqual([1, expect.objectContaining(HONEST_ROWS)])
  expect(report['findings']).toMatchObject({ 'block-malformed': 50_001 })
  // Counted, and not all of them told.
  expect((report['found'] as unknown[]).length).toBeLessThan(20_000)
}, 120_000)

test('50,001 blocks that can be read as blocks, and that nobody has signed', async () => {
  const zeros = `decode(repeat('00', 32), 'hex')`
  const { code, report } = await verifiedWith((writer) =>
    writer.query(`${BLOCKS}
      select md5(i::text)::uuid, 1, 'a', 'data', ${zeros}, 0, 9223372036854775807, ${zeros}, 1, 1, 0, 0, '', ''
      from generate_series(1, 50001) i`),
  )
  expect([code, report['rows']]).toEqual([1, expect.objectContaining(HONEST_ROWS)])
}, 120_000)

test('tens of thousands of chains that are none', async () => {
  const { code, report } = await verifiedWith((writer) =>
    writer.query(`${BLOCKS}
      select gen_random_uuid(), 0, 'x', 'genesis', '', null, null, '', 0, 0, 0, 0, '', ''
      from generate_series(1, 30000) i`),
  )
  expect([code, report['rows']]).toEqual([1, expect.objectContaining(HONEST_ROWS)])
  expect((report['found'] as unknown[]).length).toBeLessThan(20_000)
}, 120_000)

// Text that compresses well takes a hundredth of it in the table. A string of JavaScript has at most 536,870,888 letters.
const LONGEST = `repeat('a', 540000000)`
const LONG = `repeat('a', 30000000)`

test.each([
  ['body', `'', ${LONGEST}, ''`],
  ['signatures', `'', '', ${LONG}`],
  ['log', `${LONG}, '', ''`],
])(
  'a block whose %s is longer than a block',
  async (_, values) => {
    const { code, report, found } = await verifiedWith((writer) =>
      writer.query(`${BLOCKS} select gen_random_uuid(), 0, log, 'idle', '', null, null, '', 0, 0, 0, 0, body, signatures
      from (values (${values})) as long (log, body, signatures)`),
    )
    expect([code, report['rows']]).toEqual([1, expect.objectContaining(HONEST_ROWS)])
    expect(found.map((finding) => finding.code)).toContain('block-malformed')
  },
  120_000,
)

test.each([
  ['notes', LONG],
  ['worker_id', LONG],
  ['attributes', `('{"a":"' || ${LONG} || '"}')::json`],
])(
  'a row whose %s is longer than an event',
  async (column, value) => {
    const { code, report, found } = await verifiedWith((writer) =>
      writer.query(`insert into noetl.secret_audit (audit_id, credential, operation, outcome, event_digest, ${column})
      select ((extract(epoch from now()) * 1000)::bigint - 1704067200000) << 22, 'c', 'get_credential', 'ok',
        decode(repeat('00', 32), 'hex'), ${value}`),
    )
    expect([code, report['rows']]).toEqual([1, expect.objectContaining({ ...HONEST_ROWS, unsigned: 1 })])
    // The bounds of the two tables were dropped for it.
    const ours = ['store-altered', 'store-altered']
    expect(found.map((finding) => finding.code).toSorted()).toEqual(['row-changed', 'row-unsigned', ...ours])
  },
  120_000,
)

test('what is found in the chains of the operator is told, however many findings there are', async () => {
  const { found } = await verifiedWith(async (writer) => {
    await writer.query(`${BLOCKS}
      select '00000000-0000-0000-0000-000000000000', i, '', '', '', null, null, '', 1, 0, 0, 0, '', ''
      from generate_series(1, 20001) i`)
    await writer.query(`${BLOCKS}
      select chain_id, max(block_no) + 1, 'x', 'squat', '', null, null, '', 1, 0, 0, 0, '', ''
      from noetl.secret_audit_block where chain_id = '${honest.chains.killed}' group by chain_id`)
  })
  const ofTheOperator = found.filter(({ chain }) => chain === honest.chains.killed)
  expect(ofTheOperator.map((finding) => finding.code)).toEqual(['block-malformed'])
}, 120_000)

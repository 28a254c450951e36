import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { afterAttack, type Scene, verifyReport } from '../cli/attack.js'
import { type HonestTrail, honestTrail, ORIGIN, unguard } from '../cli/honest-trail.js'
import { connect, copyOf } from '../support/database.js'

let honest: HonestTrail
let directory: string
let full: readonly string[]

beforeAll(async () => {
  honest = await honestTrail()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-truth-'))
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

const VIEW_OF_BLOCKS = `
  alter table noetl.secret_audit_block rename to secret_audit_block_real;
  create view noetl.secret_audit_block as select * from noetl.secret_audit_block_real;`

const ATTACKS: Record<string, (scene: Scene) => Promise<unknown>> = {
  'a view in the place of the blocks': ({ sql }) => sql(VIEW_OF_BLOCKS),
  'a view in the place of the rows': ({ sql }) =>
    sql(`
      alter table noetl.secret_audit rename to secret_audit_real;
      create view noetl.secret_audit as select * from noetl.secret_audit_real;`),
  'a materialized view in the place of the blocks': ({ sql }) =>
    sql(`
      alter table noetl.secret_audit_block rename to secret_audit_block_real;
      create materialized view noetl.secret_audit_block as select * from noetl.secret_audit_block_real;`),
  'a child of the block table': ({ sql }) =>
    sql('create table noetl.extra () inherits (noetl.secret_audit_block);'),
  'a policy that does not apply to this login': ({ sql }) =>
    sql(`
      alter table noetl.secret_audit_block enable row level security;
      create policy everything on noetl.secret_audit_block using (true);`),
  'policies that are not enabled': ({ sql }) =>
    sql('create policy nothing on noetl.secret_audit using (false);'),
  'a rule': ({ sql }) => sql('create rule twice as on insert to noetl.secret_audit do also notify heard;'),
  'an unlogged block table': ({ sql }) => sql('alter table noetl.secret_audit_block set unlogged;'),
  'a column that is generated': ({ sql }) =>
    sql('alter table noetl.secret_audit_block add column extra text generated always as (log) stored;'),
}

for (const [name, attack] of Object.entries(ATTACKS)) {
  test(`${name} is said, and not taken for tampering with rows`, async () => {
    const { code, found, report } = await afterAttack(honest, attack, full)
    expect(code).toBe(1)
    expect([...new Set(found.map((finding) => finding.code))]).toEqual(['store-altered'])
    expect(report['rows']).toMatchObject({ proven: 57 })
  })
}

test('what is harmless is not a finding', async () => {
  const { code, found } = await afterAttack(
    honest,
    ({ sql }) =>
      sql(`
        create index on noetl.secret_audit (credential);
        comment on table noetl.secret_audit is 'ours';
        create statistics noetl.s on credential, outcome from noetl.secret_audit;
        create publication p for table noetl.secret_audit;
        do $$ declare partition regclass; begin
          select inhrelid into partition from pg_inherits where inhparent = 'noetl.secret_audit'::regclass limit 1;
          execute format('alter table %s enable row level security', partition);
        end $$`),
    full,
  )
  expect([code, found]).toEqual([0, []])
})

/** A login with the reader role, on a copy of the honest trail. */
async function asReader(
  attack: (client: Client) => Promise<unknown>,
): Promise<Awaited<ReturnType<typeof verifyReport>>> {
  const database = await copyOf(honest.database)
  const client = await connect(database.url)
  const name = `reader_${process.pid}_${Date.now()}`
  try {
    await unguard(client)
    await client.query(`create role ${name} login password 'x' in role noetl_audit_reader`)
    await attack(client)
    const as = new URL(database.url)
    as.username = name
    as.password = 'x'
    return await verifyReport(as.href, ...full)
  } finally {
    await client.query(`drop owned by ${name}; drop role ${name}`)
    await client.end()
    await database.drop()
  }
}

const HIDING: Record<string, string> = {
  'row security on the rows': 'alter table noetl.secret_audit enable row level security',
  'row security on the blocks': 'alter table noetl.secret_audit_block enable row level security',
  'a policy that hides some rows': `
    alter table noetl.secret_audit enable row level security;
    create policy p on noetl.secret_audit for select using (block_no <> 3)`,
  'a policy that hides a block from the second read': `
    alter table noetl.secret_audit_block enable row level security;
    create policy p on noetl.secret_audit_block for select using (current_query() not like '%order by min_id%' or block_no <> 3)`,
}

for (const [name, sql] of Object.entries(HIDING)) {
  test(`${name}: nothing is read, and nothing is called missing`, async () => {
    const { code, found, report } = await asReader((client) => client.query(sql))
    expect(code).toBe(1)
    expect(found.map((finding) => finding.code)).toEqual(['store-altered'])
    expect(JSON.stringify(found)).toContain('row-level security')
    expect(report['rows']).toMatchObject({ proven: 0 })
  })
}

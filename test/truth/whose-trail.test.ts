import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { enrolmentKeyName } from '../../src/chain/chain-key.js'
import { NoteSigner } from '../../src/chain/note-key.js'
import type { CommittedBlock } from '../../src/contract/sink.js'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { PostgresAuditSink, type PostgresAuditSinkOptions } from '../../src/postgres/write/sink.js'
import { ComputedEvidence } from '../../src/query/evidence.js'
import { verifyReport } from '../cli/attack.js'
import { otelAudit } from '../cli/otel-audit.js'
import { unguard } from '../cli/honest-trail.js'
import { connect, copyOf, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'

// Evidence is of one trail, and not of a name that two trails share. Everything here has one origin and one enrolment key.

const ORIGIN = 'otel-audit/wallet'
const { privateKey } = generateKeyPairSync('ed25519')
const enrolmentKey = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const { verifierKey } = new NoteSigner(enrolmentKeyName(ORIGIN), privateKey)
const TRUST = `origin ${ORIGIN}\nenrolment ${verifierKey}\nunsigned none\n`

const databases: TestDatabase[] = []
let directory: string
let files = 0

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'whose-trail-'))
})

afterEach(async () => {
  for (const database of databases.splice(0)) await database.drop()
})

afterAll(() => expect(files).toBeGreaterThan(0))

async function tracked(made: Promise<TestDatabase>): Promise<TestDatabase> {
  const database = await made
  databases.push(database)
  return database
}

function file(text: string): string {
  const path = join(directory, `${files++}`)
  writeFileSync(path, text)
  return path
}

/** One process that writes two batches, and ends. */
async function writeTo(
  databaseUrl: string,
  options: Partial<PostgresAuditSinkOptions> = {},
  credential = 'orders-db',
): Promise<CommittedBlock[]> {
  const blocks: CommittedBlock[] = []
  const sink = new PostgresAuditSink({ databaseUrl, origin: ORIGIN, enrolmentKey, ...options })
  const onBlock = (block: CommittedBlock): unknown => blocks.push(block)
  sink.attach({ serviceName: 'w', serviceInstanceId: 'i', lost: 0, onBlock, onLostBlocks: () => {} })
  for (const size of [1, 3]) {
    const batch = batchOf(...Array.from({ length: size }, () => anEvent({ credential })))
    expect(await sink.write(batch)).toMatchObject({ status: 'committed' })
  }
  await sink.close()
  return blocks
}

const one = async (client: Client, sql: string): Promise<string> => {
  const { rows } = await client.query<{ value: string }>({ text: sql })
  return rows[0]?.value ?? ''
}

async function trailOf(url: string, schema = 'noetl'): Promise<string> {
  const client = await connect(url)
  const trail = await one(client, `select trail as value from ${schema}.secret_audit_trail`)
  await client.end()
  return trail
}

/** Blocks and rows of some chains from one database to another, as their owner can. */
async function move(from: string, to: string, chains: readonly string[]): Promise<void> {
  const [source, target] = [await connect(from), await connect(to)]
  for (const table of ['secret_audit_block', 'secret_audit']) {
    const rows = await one(
      source,
      `select json_agg(t)::text as value from noetl.${table} t where replace(chain_id::text, '-', '') in ('${chains.join("','")}')`,
    )
    await target.query(
      `insert into noetl.${table} select * from json_populate_recordset(null::noetl.${table}, $1::json)`,
      [rows],
    )
  }
  await source.end()
  await target.end()
}

const chainsOf = (blocks: readonly CommittedBlock[]): string[] => [
  ...new Set(blocks.map(({ chain }) => chain)),
]
const codes = ({ found }: { found: readonly { code: string }[] }): string[] => found.map(({ code }) => code)

describe('blocks of another trail, under the same origin and enrolment key', () => {
  test('of another schema of the database', async () => {
    const { url } = await tracked(migratedDatabase())
    await migrate({ databaseUrl: url, schema: 'staging' })
    await writeTo(url)
    const foreign = await writeTo(url, { schema: 'staging' }, 'prod/master')
    const client = await connect(url)
    await client.query(`insert into noetl.secret_audit_block select * from staging.secret_audit_block;
      insert into noetl.secret_audit select * from staging.secret_audit`)
    await client.end()
    const trust = file(TRUST)
    const named = file(`${TRUST}trail ${await trailOf(url)}\n`)
    for (const path of [trust, named]) {
      const { code, found, report } = await verifyReport(url, '--trust', path)
      expect(code).toBe(1)
      expect(found).toEqual([
        expect.objectContaining({ code: 'chain-foreign', chain: chainsOf(foreign)[0], block: 0 }),
      ])
      expect(report['rows']).toMatchObject({ proven: 4 })
      expect(report['chains']).toMatchObject({ total: 2, foreign: 1 })
    }
  })

  test('of another database, with the anchors of both', async () => {
    const { url } = await tracked(migratedDatabase())
    const { url: other } = await tracked(migratedDatabase())
    const ours = await writeTo(url)
    const theirs = await writeTo(other)
    await move(other, url, chainsOf(theirs))
    const anchors = file([...ours, ...theirs].map(({ note }) => note).join(''))
    const found = await verifyReport(url, '--trust', file(TRUST), '--anchors', anchors)
    expect([found.code, codes(found)]).toEqual([1, ['chain-foreign']])
    expect(found.report['rows']).toMatchObject({ proven: 4 })
  })

  test('written in a clone that was made before it began another trail', async () => {
    const production = await tracked(migratedDatabase())
    const ours = await writeTo(production.url)
    const clone = await tracked(copyOf(production))
    const former = await trailOf(clone.url)
    const report = await migrate({ databaseUrl: clone.url, trail: 'new' })
    expect(report).toMatchObject({ formerTrail: former, trail: await trailOf(clone.url) })
    expect(report.trail).toMatch(/^[0-9a-f]{32}$/)
    expect(report.trail).not.toBe(former)
    const theirs = await writeTo(clone.url)
    await move(clone.url, production.url, chainsOf(theirs))
    const found = await verifyReport(production.url, '--trust', file(TRUST))
    expect([found.code, codes(found)]).toEqual([1, ['chain-foreign']])
    expect(found.report['rows']).toMatchObject({ proven: 4 })
    // And in the clone it is the other way round; until somebody says that both are meant.
    const inClone = await verifyReport(clone.url, '--trust', file(TRUST))
    expect(inClone.found).toEqual([expect.objectContaining({ code: 'chain-foreign', chain: ours[0]?.chain })])
    const both = file(`${TRUST}trail ${former}\ntrail ${report.trail}\n`)
    expect((await verifyReport(clone.url, '--trust', both)).code).toBe(0)
  })

  test('written on another server, in a clone that never began another trail, where the trust file names the server', async () => {
    const { url } = await tracked(migratedDatabase())
    const client = await connect(url)
    const system = await one(client, 'select system_identifier::text as value from pg_control_system()')
    await client.end()
    await writeTo(url)
    expect((await verifyReport(url, '--trust', file(`${TRUST}system ${system}\n`))).code).toBe(0)
    const found = await verifyReport(url, '--trust', file(`${TRUST}system 7412345678901234567\n`))
    expect([found.code, codes(found)]).toEqual([1, ['chain-foreign']])
    expect(found.stderr).toContain(`this is server ${system}, which the trust file does not name`)
    expect(found.report['rows']).toMatchObject({ proven: 0 })
    const both = file(`${TRUST}system ${system}\nsystem 7412345678901234567\n`)
    expect((await verifyReport(url, '--trust', both)).code).toBe(0)
  })

  test('whose genesis block was made to name this one: nothing of the chain counts', async () => {
    const { url } = await tracked(migratedDatabase())
    const { url: other } = await tracked(migratedDatabase())
    await writeTo(url)
    await move(other, url, chainsOf(await writeTo(other)))
    const client = await connect(url)
    await unguard(client)
    await client.query(`update noetl.secret_audit_block set body = regexp_replace(body, 'trail \\w+',
      'trail ' || (select trail from noetl.secret_audit_trail)) where kind = 'genesis'`)
    await client.end()
    const found = await verifyReport(url, '--trust', file(TRUST))
    expect([found.code, found.report['rows']]).toEqual([1, expect.objectContaining({ proven: 4 })])
    expect(codes(found)).toContain('block-signature')
  })

  test('are not shown as verified, nor proven offline', async () => {
    const { url } = await tracked(migratedDatabase())
    const { url: other } = await tracked(migratedDatabase())
    const theirs = await writeTo(other)
    await move(other, url, chainsOf(theirs))
    const client = await connect(url)
    const auditId = await one(client, 'select min(audit_id)::text as value from noetl.secret_audit')
    await client.end()
    const evidence = new ComputedEvidence({ databaseUrl: url })
    expect(await evidence.evidenceOf(BigInt(auditId))).toMatchObject({
      status: 'not-verified',
      findings: [expect.stringContaining('not of this trail')],
    })
    const proof = join(directory, 'proof.json')
    const written = await otelAudit(['verify', '--row', auditId, '--proof', proof], { DATABASE_URL: url })
    expect(written.code).toBe(0)
    const ours = file(`${TRUST}trail ${await trailOf(url)}\n`)
    expect((await verifyReport(url, '--trust', ours, '--proof', proof)).code).toBe(1)
    const of = file(`${TRUST}trail ${await trailOf(other)}\n`)
    expect((await verifyReport(url, '--trust', of, '--proof', proof)).code).toBe(0)
  })

  test('are no reason to take a row of theirs for one that was stored here', async () => {
    const { url } = await tracked(migratedDatabase())
    const { url: other } = await tracked(migratedDatabase())
    const batch = batchOf(anEvent())
    const options = { origin: ORIGIN, enrolmentKey }
    const there = new PostgresAuditSink({ databaseUrl: other, ...options })
    expect(await there.write(batch)).toMatchObject({ status: 'committed' })
    await there.close()
    const client = await connect(other)
    const chain = await one(
      client,
      `select replace(chain_id::text, '-', '') as value from noetl.secret_audit_block`,
    )
    await client.end()
    await move(other, url, [chain])
    const here = new PostgresAuditSink({ databaseUrl: url, ...options })
    const [auditId] = batch.entries.map(({ event }) => event.auditId)
    expect(await here.write(batch)).toEqual({ status: 'conflict', held: new Map([[auditId, null]]) })
    await here.close()
  })
})

test('a view in the place of the identity is reported, whatever it says', async () => {
  const { url } = await tracked(migratedDatabase())
  await writeTo(url)
  const client = await connect(url)
  await client.query(`alter table noetl.secret_audit_trail rename to old;
    create view noetl.secret_audit_trail as select * from noetl.old`)
  await client.end()
  const found = await verifyReport(url, '--trust', file(TRUST))
  expect([found.code, codes(found)]).toEqual([1, ['store-altered']])
})

describe('a fresh identity', () => {
  test('is made by every migration, and no two are the same', async () => {
    const trails = []
    for (let i = 0; i < 3; i++) {
      const { url } = await tracked(emptyDatabase())
      const { trail } = await migrate({ databaseUrl: url })
      expect(trail).toMatch(/^[0-9a-f]{32}$/)
      expect((await migrate({ databaseUrl: url })).trail).toBe(trail)
      trails.push(trail)
    }
    expect(new Set(trails).size).toBe(3)
  })
})

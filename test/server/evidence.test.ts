import { createAudit } from 'otel-audit'
import {
  ComputedEvidence,
  type ComputedEvidenceOptions,
  parseTrust,
  type ProvenColumns,
  Trail,
  type Trust,
  type UnsignedPolicy,
} from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unguard } from '../cli/honest-trail.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { PATH, served } from './served.js'

let database: TestDatabase
let owner: Client
let ids: readonly string[]

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  const audit = createAudit({ databaseUrl: database.url })
  const receipts = await Promise.all(
    ['one', 'other', 'third'].map((credential) =>
      audit.service.recordStrict({ credential, operation: 'get_credential', outcome: 'ok' }),
    ),
  )
  await audit.close()
  ids = receipts.map(({ auditId }) => String(auditId))
  await owner.query(
    `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome)
     values (${BigInt(ids[0] ?? 0) - 1n}, now(), 'by hand', 'get_credential', 'ok')`,
  )
  await unguard(owner)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

async function evidenceOf(auditId: string | bigint, trust?: string) {
  const known: Trust | undefined = trust === undefined ? undefined : parseTrust(trust)
  const options: ComputedEvidenceOptions = { databaseUrl: database.url, schema: 'noetl', trust: known }
  const source = new ComputedEvidence(options)
  const { get } = await served(database.url, { evidence: source })
  const { status, body } = await get(`${PATH}/${auditId}`)
  return { status, evidence: body['evidence'] as Record<string, unknown> }
}

/** Changes a row as a superuser can, looks at it, and changes it back. */
async function whileChanged(auditId: string, change: string, look: () => Promise<void>): Promise<void> {
  await owner.query(
    `create temp table before as select * from noetl.secret_audit where audit_id = ${auditId}`,
  )
  await owner.query(`update noetl.secret_audit set ${change} where audit_id = ${auditId}`)
  try {
    await look()
  } finally {
    await owner.query(`delete from noetl.secret_audit where audit_id = ${auditId}`)
    await owner.query('insert into noetl.secret_audit select * from before')
    await owner.query('drop table before')
  }
}

test('what was proven of a row is given with the verdict', async () => {
  const evidence = new ComputedEvidence({ databaseUrl: database.url, schema: 'noetl' })
  const proven: ProvenColumns | undefined = (await evidence.evidenceOf(BigInt(ids[1] ?? 0)))?.proven
  expect(proven).toMatchObject({ audit_id: ids[1], operation: 'get_credential', block_no: '1' })
})

describe('a row over HTTP', () => {
  test('is verified, with its block and the path to the block’s root', async () => {
    const { evidence } = await evidenceOf(ids[1] ?? '')
    expect(evidence).toMatchObject({ status: 'verified', findings: [] })
    expect(evidence['block']).toMatch(/^otel-audit\/block\/v1\n[\s\S]*\nkind data\n[\s\S]*\n\n— /)
    expect(evidence['proof']).toEqual([expect.any(String), expect.any(String)])
  })

  test.each([
    "outcome = 'denied'",
    "notes = 'added later'",
    "event_digest = sha256('x'::bytea)",
    'block_index = 0',
  ])('that was changed (%s) is not', async (change) => {
    await whileChanged(ids[1] ?? '', change, async () => {
      expect(await evidenceOf(ids[1] ?? '')).toMatchObject({
        status: 200,
        evidence: {
          status: 'not-verified',
          findings: [expect.stringMatching(/^AUDIT_EVIDENCE_REFUTED: /)],
        },
      })
    })
    expect(await evidenceOf(ids[1] ?? '')).toMatchObject({ evidence: { status: 'verified' } })
  })

  test('stays verified when another row of its block says something else now', async () => {
    await whileChanged(ids[0] ?? '', "outcome = 'denied'", async () => {
      expect(await evidenceOf(ids[1] ?? '')).toMatchObject({ evidence: { status: 'verified' } })
      expect(await evidenceOf(ids[0] ?? '')).toMatchObject({ evidence: { status: 'not-verified' } })
    })
  })

  test('is not verified when another row of its block is gone, or its block is', async () => {
    await whileChanged(ids[0] ?? '', 'audit_id = audit_id - 7', async () => {
      expect(await evidenceOf(ids[1] ?? '')).toMatchObject({ evidence: { status: 'not-verified' } })
      await owner.query(`delete from noetl.secret_audit where audit_id = ${BigInt(ids[0] ?? 0) - 7n}`)
    })
    await owner.query('alter table noetl.secret_audit_block rename to hidden')
    await owner.query('create table noetl.secret_audit_block (like noetl.hidden including all)')
    expect(await evidenceOf(ids[1] ?? '')).toMatchObject({ evidence: { status: 'not-verified' } })
    await owner.query('drop table noetl.secret_audit_block')
    await owner.query('alter table noetl.hidden rename to secret_audit_block')
  })

  test('is held against what the auditor knows', async () => {
    expect(await evidenceOf(ids[1] ?? '', 'origin somebody/else\n')).toMatchObject({
      evidence: { status: 'not-verified', findings: [expect.stringContaining('somebody/else')] },
    })
  })

  test('that nobody vouches for is as good as its chain: what rows without a block mean is for the whole trail', async () => {
    const policy: UnsignedPolicy = 'none'
    expect(parseTrust('unsigned none\n').unsigned).toBe(policy)
    expect(await evidenceOf(ids[1] ?? '', 'unsigned none\n')).toMatchObject({
      evidence: { status: 'verified' },
    })
  })

  test('is anchored where the trust file names its block, or one that it leads to', async () => {
    const { rows: blocks } = await owner.query<{ chain: string; last: number }>(
      `select replace(chain_id::text, '-', '') as chain, max(block_no)::int as last from noetl.secret_audit_block
       where chain_id = (select chain_id from noetl.secret_audit where audit_id = ${ids[1]}) group by 1`,
    )
    const { chain = '', last = 0 } = blocks[0] ?? {}
    const trail = new Trail({ databaseUrl: database.url })
    const head = async (block: number): Promise<string> => {
      const stored = await trail.block(chain, BigInt(block))
      return `head ${chain} ${block} ${stored?.hash}\n`
    }
    const anchored = async (trust: string) => (await evidenceOf(ids[1] ?? '', trust)).evidence['anchored']
    expect(last).toBeGreaterThan(1)
    expect(await anchored(await head(1))).toBe(true)
    expect(await anchored(await head(last))).toBe(true)
    expect(await anchored(await head(0)), 'it stands before the row').toBe(false)
    expect(await anchored('')).toBe(false)
    const wrong = `head ${chain} ${last} ${'0'.repeat(64)}\n`
    expect(await evidenceOf(ids[1] ?? '', wrong)).toMatchObject({
      evidence: { status: 'not-verified', findings: [expect.stringContaining('the trust file names')] },
    })
    await trail.close()
  })

  test('without a block says so; one that is not there is not found', async () => {
    expect(await evidenceOf(BigInt(ids[0] ?? 0) - 1n)).toMatchObject({ evidence: { status: 'unsigned' } })
    expect((await evidenceOf(17n)).status).toBe(404)
  })
})

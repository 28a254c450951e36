import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { parseTrust } from '../../src/verify/trust.js'
import { connect, copyOf, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { type Outcome, verifyReport } from './attack.js'
import { unguard } from './honest-trail.js'
import { otelAudit, type Result } from './otel-audit.js'

// A trail that was written to without an enrolment key gets one, as a user would do it.

const ORIGIN = 'otel-audit/wallet'

let database: TestDatabase
let directory: string
/** Written by `trust init`, with the line of `keys create` behind it. */
let trust: string
let key: string
/** From before there was a key. */
let yesterday: string[]

const at = (name: string): string => join(directory, name)
const codes = ({ found }: Outcome): string[] => found.map(({ code }) => code).toSorted()

async function init(...args: string[]): Promise<Result> {
  return otelAudit(['trust', 'init', ...args], { DATABASE_URL: database.url })
}

/** A process that writes, and ends. @returns its chain */
async function run(url: string, enrolmentKeyFile?: string, origin = ORIGIN): Promise<string> {
  let chain = ''
  const sink = new PostgresAuditSink({ databaseUrl: url, origin, enrolmentKeyFile })
  const onBlock = (block: { readonly chain: string }): void => void (chain = block.chain)
  sink.attach({ serviceName: 'w', serviceInstanceId: 'i', lost: 0, onBlock, onLostBlocks: () => {} })
  for (const size of [2, 3]) {
    const batch = batchOf(...Array.from({ length: size }, () => anEvent()))
    expect(await sink.write(batch)).toMatchObject({ status: 'committed' })
  }
  await sink.close()
  return chain
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'trust-init-'))
  database = await migratedDatabase()
  yesterday = [await run(database.url), await run(database.url)]
  const created = await otelAudit(['keys', 'create', '--origin', ORIGIN, '--out', at('enrolment.pem')])
  expect(created.code).toBe(0)
  key = created.stdout
  trust = at('audit.trust')
  const { code, stdout, stderr } = await init('--out', trust)
  expect([code, stdout]).toEqual([0, ''])
  expect(stderr).toContain('2 chains are pinned')
  writeFileSync(trust, key, { flag: 'a' })
})

afterAll(() => database.drop())

/** On a copy, since each of them spoils it. */
async function after(attack: (url: string) => Promise<unknown>, file = trust): Promise<Outcome> {
  const copy = await copyOf(database)
  try {
    await attack(copy.url)
    return await verifyReport(copy.url, '--trust', file)
  } finally {
    await copy.drop()
  }
}

const altered =
  (...statements: readonly string[]) =>
  async (url: string): Promise<void> => {
    const client = await connect(url)
    await unguard(client)
    for (const statement of statements) await client.query(statement)
    await client.end()
  }

describe('the trust file of trust init', () => {
  test('says what is there: log, trail, server, the last block of each chain, and where chains begin to be enrolled', async () => {
    const text = readFileSync(trust, 'utf8')
    const known = parseTrust(text)
    const client = await connect(database.url)
    const { rows } = await client.query<{ trail: string; system: string; last: string }>(
      `select trail, (select system_identifier::text from pg_control_system()) as system,
         (select max(audit_id)::text from noetl.secret_audit) as last from noetl.secret_audit_trail`,
    )
    await client.end()
    expect(known).toMatchObject({
      origin: ORIGIN,
      trails: [rows[0]?.trail],
      systems: [rows[0]?.system],
      unenrolledBefore: BigInt(rows[0]?.last ?? 0) + 1n,
    })
    const pins = new Map(known.heads?.map(({ chain, block }) => [chain, block]))
    expect(pins).toEqual(new Map(yesterday.map((chain) => [chain, 3])))
  })

  test('makes yesterday’s chains pinned, and not suspect; today’s are enrolled', async () => {
    const { code, found, report } = await after((url) => run(url, at('enrolment.pem')))
    expect([code, found]).toEqual([0, []])
    expect(report['chains']).toMatchObject({ total: 3, pinned: 2, unenrolled: 0, foreign: 0 })
    expect(report['rows']).toMatchObject({ proven: 15 })
  })

  test('does not help a chain that is added without the key', async () => {
    expect(codes(await after((url) => run(url)))).toEqual(['chain-unenrolled'])
  })

  test('finds that the end of a pinned chain was cut off', async () => {
    const [chain = ''] = yesterday
    const attack = altered(
      `delete from noetl.secret_audit_block where chain_id = '${chain}' and block_no > 1`,
      `delete from noetl.secret_audit where chain_id = '${chain}' and block_no > 1`,
    )
    const { code, found } = await after(attack)
    expect(code).toBe(1)
    expect(found).toContainEqual(expect.objectContaining({ code: 'head-missing', chain, block: 3 }))
    // It is not the chain any more that was pinned.
    expect(found).toContainEqual(expect.objectContaining({ code: 'chain-unenrolled', chain }))
  })

  test('finds that a pinned chain was deleted', async () => {
    const [chain = ''] = yesterday
    const attack = altered(
      `delete from noetl.secret_audit_block where chain_id = '${chain}'`,
      `delete from noetl.secret_audit where chain_id = '${chain}'`,
    )
    const { code, found } = await after(attack)
    expect([code, found]).toEqual([1, [expect.objectContaining({ code: 'head-missing', chain, block: 3 })]])
  })

  test('finds a row that was changed since', async () => {
    const attack = altered(`update noetl.secret_audit set outcome = 'denied' where block_index = 2`)
    expect(codes(await after(attack))).toEqual(['row-changed', 'row-changed'])
  })

  test('is refused by a clone that has begun another trail', async () => {
    const attack = async (url: string): Promise<void> => {
      expect((await otelAudit(['migrate', '--new-trail'], { DATABASE_URL: url })).code).toBe(0)
    }
    const { code, stderr } = await after(attack)
    expect([code, stderr]).toEqual([2, expect.stringContaining('AUDIT_TRAIL')])
  })

  test('pins nothing that nobody signed, nor chains of other logs and trails, and names them', async () => {
    const copy = await copyOf(database)
    const other = await run(copy.url, undefined, 'otel-audit/other')
    const [chain = '', next = ''] = yesterday
    await altered(
      `update noetl.secret_audit_block set signatures = '' where chain_id = '${chain}' and block_no = 3`,
      `update noetl.secret_audit_block set signatures = '' where chain_id = '${next}'`,
    )(copy.url)
    const env = { DATABASE_URL: copy.url }
    const ambiguous = await otelAudit(['trust', 'init', '--out', '-'], env)
    expect([ambiguous.code, ambiguous.stdout]).toEqual([2, ''])
    expect(ambiguous.stderr).toContain('--origin')
    const { code, stdout, stderr } = await otelAudit(['trust', 'init', '--out', '-', '--origin', ORIGIN], env)
    expect(code).toBe(0)
    expect(parseTrust(stdout).heads?.map((head) => [head.chain, head.block])).toEqual([[chain, 2]])
    expect(stderr).toMatch(/findings in the blocks as they are/)
    expect(stderr).toContain(`chain ${next} has no block that is proven`)
    expect(stderr).toContain(`chain ${other} is of log otel-audit/other`)
    await copy.drop()
  })
})

describe('trust init', () => {
  test('does not overwrite a file, but with --force', async () => {
    const path = at('there.trust')
    writeFileSync(path, 'origin mine\n')
    const refused = await init('--out', path)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/EEXIST.*\n.*--force/)])
    expect(readFileSync(path, 'utf8')).toBe('origin mine\n')
    expect((await init('--out', path, '--force')).code).toBe(0)
    expect(readFileSync(path, 'utf8')).toContain(`origin ${ORIGIN}\n`)
  })

  test('takes the keys of the operator, and no key that is none', async () => {
    const verifierKey = key.replace('enrolment ', '').trim()
    const { stdout, stderr } = await init('--out', '-', '--enrolment', verifierKey)
    // That yesterday's chains are not enrolled is what it is for.
    expect(stderr).not.toContain('findings')
    expect(parseTrust(stdout).enrolment.map(String)).toEqual([verifierKey])
    const wrong = await init('--out', '-', '--enrolment', 'x')
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('AUDIT_EVIDENCE_MALFORMED')])
  })

  test('needs a name for the file, and says in its help how it is used', async () => {
    const { code, stderr } = await init()
    expect([code, stderr]).toEqual([2, expect.stringContaining('--out')])
    const help = await otelAudit(['trust', 'init', '--help'])
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('$ otel-audit trust init --out')])
  })

  test('of a trail without a chain needs the log', async () => {
    const empty = await migratedDatabase()
    const env = { DATABASE_URL: empty.url }
    expect((await otelAudit(['trust', 'init', '--out', '-'], env)).code).toBe(2)
    const { stdout } = await otelAudit(['trust', 'init', '--out', '-', '--origin', ORIGIN], env)
    expect(parseTrust(stdout)).toMatchObject({ origin: ORIGIN, trails: [expect.any(String)] })
    expect(parseTrust(stdout).heads).toBeUndefined()
    await empty.drop()
  })
})

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FILTER_FIELDS } from '../../src/query/filter-fields.js'
import { temporaryDirectory } from '../spool/directories.js'
import { idAt } from '../postgres/adopt/original-table.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { compile, packageUser } from '../support/type-check.js'

const run = promisify(execFile)
const PAGE = readFileSync(join(packageRoot(), 'docs/query.md'), 'utf8')
const API = readFileSync(join(packageRoot(), 'docs/api.md'), 'utf8')
const EXECUTION = 7_216_413_337_829_376n
const QUARTER = Date.UTC(2026, 6, 1)
const DAY = 86_400_000

let database: TestDatabase
let client: Client

interface Seed {
  readonly at: number
  readonly credential: string
  readonly outcome?: string
  readonly worker?: string
  readonly execution?: bigint
  readonly parent?: bigint
  readonly kek?: string
}

/** Rows in the third quarter of 2026, and of the last days. */
const SEEDS: readonly Seed[] = [
  { at: QUARTER - 1, credential: 'orders-db', worker: 'too-early' },
  { at: QUARTER, credential: 'orders-db', worker: 'w1', execution: EXECUTION, kek: 'v3' },
  {
    at: QUARTER + DAY,
    credential: 'orders-db',
    worker: 'w2',
    outcome: 'no_pubkey',
    execution: 8n,
    parent: EXECUTION,
    kek: 'v3',
  },
  { at: QUARTER + 91 * DAY, credential: 'billing-db', worker: 'w1', execution: EXECUTION, kek: 'v2' },
  { at: QUARTER + 92 * DAY, credential: 'orders-db', worker: 'too-late', kek: 'v3' },
  { at: Date.now() - 3 * DAY, credential: 'mail', outcome: 'wrong_region' },
  { at: Date.now() - 1000, credential: '=cmd()', outcome: 'residency_violation' },
  { at: Date.now() - 1000, credential: 'mail' },
]

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  await client.query(
    `select noetl.secret_audit_create_partition(month)
     from noetl.secret_audit_missing_months('2026-06-01', greatest('2026-10-01', date_trunc('month', now() at time zone 'UTC'))) month`,
  )
  for (const [i, { at, credential, outcome = 'ok', worker, execution, parent, kek }] of SEEDS.entries()) {
    await client.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id, kek_version)
       values ($1, $2, $3, 'get_credential', $4, $5, $6, $7, $8)`,
      [idAt(at, i), new Date(at), credential, outcome, worker, execution, parent, kek],
    )
  }
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

/** The code blocks of a language below a heading. */
function blocks(page: string, heading: string, language: string): string[] {
  const section = page.split(/^#{1,3} /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  const found = [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, code = '']) => code,
  )
  expect(found.length, `${language} below ${heading}`).toBeGreaterThan(0)
  return found
}

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly directory: string
}

/** Runs the shell commands of a block as they stand, in a directory of their own. */
async function shell(command: string): Promise<Ran> {
  const directory = temporaryDirectory()
  const program = join(directory, 'otel-audit')
  await writeFile(
    program,
    `#!/bin/sh\nexec '${process.execPath}' '${join(packageRoot(), 'dist/cli/main.js')}' "$@"\n`,
  )
  await chmod(program, 0o700)
  const env = { PATH: `${directory}:${process.env['PATH']}`, DATABASE_URL: database.url }
  try {
    const { stdout } = await run('sh', ['-e', '-c', command], { cwd: directory, env })
    return { code: 0, stdout, directory }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    // On a busy machine it says that it is still reading.
    expect(stderr.replaceAll('reading …\n', '')).toBe('')
    return { code, stdout, directory }
  }
}

const rowsOf = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
const executions = (text: string): unknown[] => rowsOf(text).map(({ execution_id }) => execution_id)

describe('the recipe for', () => {
  test('the access review of a quarter', async () => {
    const [summary = '', rows = ''] = blocks(PAGE, 'The access review of a quarter, per credential', 'sh')
    const { directory } = await shell(summary)
    expect((await readFile(join(directory, 'review.csv'), 'utf8')).split('\r\n')).toEqual([
      'credential,accesses,denials,workers,actors,first_access,last_access,sources',
      'orders-db,2,1,2,0,2026-07-01T00:00:00.000000Z,2026-07-02T00:00:00.000000Z,0',
      'billing-db,1,0,1,0,2026-09-30T00:00:00.000000Z,2026-09-30T00:00:00.000000Z,0',
      '',
    ])
    const of = await shell(rows)
    expect(rowsOf(await readFile(join(of.directory, 'orders-db.ndjson'), 'utf8'))).toMatchObject([
      { worker_id: 'w2' },
      { worker_id: 'w1' },
    ])
  })

  test('all denials of the last week', async () => {
    const [denials = '', gate = ''] = blocks(PAGE, 'All denials of the last week', 'sh')
    const { directory } = await shell(denials)
    const csv = await readFile(join(directory, 'denials.csv'), 'utf8')
    expect(csv).toContain(`"'=cmd()",get_credential,residency_violation`)
    expect(csv).toContain('mail,get_credential,wrong_region')
    expect(csv).not.toContain(',ok,')
    expect((await shell(`${gate.trim()} 2>/dev/null`)).code).toBe(3)
  })

  test('everything one execution touched', async () => {
    const [own = '', children = ''] = blocks(PAGE, 'Everything one execution touched', 'sh')
    expect(rowsOf((await shell(own)).stdout).map(({ credential }) => credential)).toEqual([
      'billing-db',
      'orders-db',
    ])
    expect(executions((await shell(children)).stdout)).toEqual(['8'])
  })

  test('which runs used a version of a key', async () => {
    const [sql = ''] = blocks(PAGE, 'Which runs used a version of a key', 'sql')
    await client.query('set role noetl_audit_reader')
    const { rows } = await client.query<{ execution_id: string }>(sql)
    await client.query('reset role')
    expect(rows.map(({ execution_id }) => execution_id)).toEqual(['8', String(EXECUTION)])
    const [commands = ''] = blocks(PAGE, 'Which runs used a version of a key', 'sh')
    const [first, second, ...found] = rowsOf((await shell(commands)).stdout)
    expect(new Set([first?.['value'], second?.['value']])).toEqual(new Set([String(EXECUTION), '8']))
    expect(found.map(({ execution_id }) => execution_id)).toEqual(['8', String(EXECUTION)])
  })

  test('who read the trail', async () => {
    await shell('otel-audit query --execution-id 8')
    const [commands = ''] = blocks(PAGE, 'Who read the trail', 'sh')
    const found = rowsOf((await shell(commands)).stdout)
    expect(found.length).toBeGreaterThan(0)
    expect(found.every(({ operation }) => operation === 'query_trail' || operation === 'export_trail')).toBe(
      true,
    )
  })

  test('the evidence of an incident', async () => {
    const [commands = ''] = blocks(PAGE, 'The evidence of an incident', 'sh')
    const { stdout, directory } = await shell(commands)
    const [, hash] = /^([0-9a-f]{64}) {2}incident\.ndjson$/m.exec(stdout) ?? []
    const manifest = JSON.parse(
      await readFile(join(directory, 'incident.ndjson.manifest.json'), 'utf8'),
    ) as unknown
    expect(manifest).toMatchObject({ sha256: hash, rows: 2 })
    const { rows } = await client.query(
      `select attributes->>'sha256' as sha256 from noetl.secret_audit where operation = 'export_trail' and outcome = 'ok' order by audit_id desc limit 1`,
    )
    expect(rows).toEqual([{ sha256: hash }])
  })

  test('every one of the page is run here', () => {
    const [, recipes = ''] = PAGE.split('## Recipes\n')
    const titles = [...(recipes.split(/^## /m)[0] ?? '').matchAll(/^### (.*)$/gm)].map(([, title]) => title)
    const here = readFileSync(import.meta.filename, 'utf8')
    expect(titles.length).toBeGreaterThan(4)
    expect(titles.filter((title) => !here.includes(`'${title}'`))).toEqual([])
  })
})

describe('the page', () => {
  test('has every filter as the code has it, and no other', () => {
    const rows = [...PAGE.matchAll(/^\| `(\w+)` \| `--([\w-]+)` \| (.*) \|$/gm)].map(
      ([, name, flag, doc]) => ({ name, flag, doc }),
    )
    expect(rows).toEqual(
      Object.entries(FILTER_FIELDS).map(([name, { doc }]) => ({
        name,
        flag: name.replaceAll('_', '-'),
        doc,
      })),
    )
    const [, unindexed = ''] = /\n(`worker_id`.*?) are in no\nindex/s.exec(PAGE) ?? []
    expect([...unindexed.matchAll(/`(\w+)`/g)].map(([, name]) => name)).toEqual(
      Object.entries(FILTER_FIELDS).flatMap(([name, field]) => ('needsWindow' in field ? [name] : [])),
    )
  })

  test('has TypeScript that compiles, and does what it says', async () => {
    const [library = ''] = blocks(PAGE, 'As a library', 'ts')
    const [server = ''] = blocks(API, 'In an application of your own', 'ts')
    const directory = await packageUser()
    expect(await compile(directory, { library, server })).toBe('')
    const env = { PATH: process.env['PATH'], DATABASE_URL: database.url }
    const { stdout } = await run(process.execPath, [join(directory, 'library.js')], { env })
    expect(stdout).toMatch(/That is all\.\n2 denials\n$/)
    const served = await run(process.execPath, [join(directory, 'server.js')], { env })
    expect(served.stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\n$/)
  })
})

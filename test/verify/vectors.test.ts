import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkRowProof } from '../../src/verify/row-proof.js'
import { parseTrust } from '../../src/verify/trust.js'
import { ANCHOR_CASES } from './vectors/anchors.js'
import { TRUST } from './vectors/alterations.js'
import { CASES, tablesOf } from './vectors/cases.js'
import { outcomeOf, vectorFiles } from './vectors/files.js'
import { HONEST } from './vectors/honest.js'
import { PROOFS } from './vectors/proofs.js'
import { patched, type Patch, type Tables } from './vectors/tables.js'

// docs/vectors is made by this test with UPDATE_VECTORS=1, and otherwise must be what it would make, byte for byte.

const ROOT = join(import.meta.dirname, '../../docs/vectors')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const inDirectory = (path: string): string[] => readdirSync(join(ROOT, path))

test('the published files are those that are made here', async () => {
  const files = await vectorFiles()
  if (process.env['UPDATE_VECTORS'] === '1') {
    for (const name of ['honest', 'cases', 'anchors', 'proofs', 'mixed.ndjson'])
      rmSync(join(ROOT, name), { recursive: true, force: true })
    for (const [path, text] of files) {
      mkdirSync(dirname(join(ROOT, path)), { recursive: true })
      writeFileSync(join(ROOT, path), text)
    }
  }
  const published = readdirSync(ROOT, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
  expect(published.toSorted()).toEqual([...files.keys(), 'README.md'].toSorted())
  for (const [path, text] of files) expect([path, read(path) === text]).toEqual([path, true])
})

// From here on only what is published is read, and held against what is written down by hand.

const table = (name: string): Tables['rows'] =>
  read(`honest/${name}.ndjson`)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Tables['rows'][number])
const published = (): Tables => ({ rows: table('rows'), blocks: table('blocks') })
const trust = (): string => read('honest/audit.trust')

test('the honest trail has no finding, and its anchors hold', async () => {
  const anchors = read('honest/anchors.jsonl') + read('honest/notes.txt')
  const { found, exit, anchors: coverage, rows, unread } = await outcomeOf(published(), trust(), anchors)
  expect([found, exit, unread.count]).toEqual([[], 0, 0])
  expect(coverage).toEqual({
    given: published().blocks.length,
    held: published().blocks.length,
    retired: 0,
    foreign: 0,
  })
  expect(rows).toEqual({
    proven: published().rows.length - 3,
    unsigned: 3,
    retired: 0,
    partly: 0,
    kept: 0,
  })
  expect(published()).toEqual(HONEST)
  expect(trust()).toBe(`${TRUST.join('\n')}\n`)
})

describe('cases', () => {
  test.each(Object.entries(CASES))('%s', async (name, one) => {
    const file = JSON.parse(read(`cases/${name}.json`)) as {
      patch: readonly Patch[]
      trust: string
      expected: { exit: number; findings: object; found: object[]; rows: object }
    }
    const outcome = await outcomeOf(patched(published(), file.patch), file.trust)
    expect(Object.fromEntries(outcome.findings)).toEqual(one.codes)
    expect(file.expected.findings).toEqual(one.codes)
    expect(outcome.exit).toBe(Object.keys(one.codes).length > 0 ? 1 : 0)
    expect(file.expected).toMatchObject({ exit: outcome.exit, rows: outcome.rows })
    expect(file.expected.found).toHaveLength(outcome.found.length)
    expect(patched(published(), file.patch)).toEqual(tablesOf(one))
  })

  test('are all published', () => {
    expect(inDirectory('cases').toSorted()).toEqual(
      Object.keys(CASES)
        .map((name) => `${name}.json`)
        .toSorted(),
    )
  })
})

test('what was done at random comes to what is published', async () => {
  const lines = read('mixed.ndjson').split('\n').filter(Boolean)
  expect(lines.length).toBeGreaterThan(100)
  for (const line of lines) {
    const { patch, trust, expected } = JSON.parse(line) as {
      patch: Patch[]
      trust: string
      expected: { exit: number; rows: object; found: { code: string; auditId?: string }[] }
    }
    const { found, exit, rows } = await outcomeOf(patched(published(), patch), trust)
    const said = found
      .map(({ code, auditId }) => `${code} ${auditId ?? ''}`)
      .toSorted((a, b) => (a < b ? -1 : 1))
    const wanted = expected.found
      .map(({ code, auditId }) => `${code} ${auditId ?? ''}`)
      .toSorted((a, b) => (a < b ? -1 : 1))
    expect({ exit, rows, said }).toEqual({ exit: expected.exit, rows: expected.rows, said: wanted })
  }
})

describe('anchors', () => {
  test.each(Object.entries(ANCHOR_CASES))('%s', async (name, { codes, exit }) => {
    const outcome = await outcomeOf(published(), trust(), read(`anchors/${name}.jsonl`)).catch(
      (error: unknown) => error,
    )
    if (exit === 2 && outcome instanceof Error) {
      expect(outcome).toMatchObject({ code: 'AUDIT_EVIDENCE_MALFORMED' })
      expect(name).toMatch(/^none-/)
      return
    }
    expect(outcome).toMatchObject({ exit })
    expect(Object.fromEntries((outcome as { findings: Map<string, number> }).findings)).toEqual(codes)
  })
})

describe('proofs', () => {
  test.each(Object.entries(PROOFS))('%s', (name, { verdict }) => {
    const check = (): string => {
      try {
        checkRowProof(read(`proofs/${name}.json`), parseTrust(`${TRUST.join('\n')}\n`))
        return 'proven'
      } catch (error) {
        return String((error as { code?: unknown }).code)
          .replace('AUDIT_EVIDENCE_', '')
          .toLowerCase()
      }
    }
    expect(check()).toBe(verdict)
  })
})

import { describe, expect, test } from 'vitest'
import { BLOCKS_PER_KEY } from '../../src/chain/block.js'
import { FINDINGS } from '../../src/verify/finding.js'
import {
  encoded,
  hex,
  isSignedBy,
  type Key,
  keyOf,
  leafOf,
  lines,
  PAGE,
  rootOf,
  sha256,
  TAGS,
  textOf,
  valueOf,
} from './second-reader.js'

// A second verifier, written from docs/integrity.md alone: nothing of src/ but what the page is held against.

const [, EXAMPLE = ''] = PAGE.split('## A worked example')
const FENCES = [...EXAMPLE.matchAll(/^```(?:json)?\n(.*?)^```$/gms)].map(([, text = '']) => text)
const [KEYS = '', ROWS = '', BYTES = '', HASHES = '', GENESIS = '', DATA = '', CLOSE = '', TEXT_HASHES = ''] =
  FENCES
const [PROOF = '', ANCHORS = ''] = FENCES.slice(8)

type Row = Readonly<Record<string, string | number>>
const rows = lines(ROWS).map((line) => JSON.parse(line) as Row)

describe('the worked example', () => {
  const notes = [GENESIS, DATA, CLOSE]
  const [own, operator] = lines(KEYS).map(keyOf) as [Key, Key]
  const chain = valueOf(GENESIS, 'chain')

  test('has every column and its tag', () => {
    expect([...TAGS.values()].map(({ tag }) => tag).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 21 }, (_, i) => i + 1),
    )
  })

  test('has the digests, leaves and root of its rows', () => {
    expect(hex(encoded(rows[1] ?? {}))).toBe(BYTES.trim())
    const digests = rows.map((row) => sha256(encoded(row)))
    const leaves = digests.map((digest, index) => leafOf(chain, 1, index, digest))
    const root = rootOf(leaves)
    expect([...digests, ...leaves, root].map(hex)).toEqual(lines(HASHES))
    expect(valueOf(DATA, 'root')).toBe(root.toString('base64'))
    expect(valueOf(DATA, 'ids')).toBe(`${rows[0]?.['audit_id']} ${rows.at(-1)?.['audit_id']}`)
    expect(valueOf(DATA, 'rows')).toBe('3 3')
  })

  test('is a chain, signed by its key, and the operator’s', () => {
    expect(hex(sha256('otel-audit/chain/v1\n', own.bytes)).slice(0, 32)).toBe(chain)
    expect(own.name).toBe(`${valueOf(GENESIS, 'log')}/${chain}`)
    expect(valueOf(GENESIS, 'writer')).toBe(lines(KEYS)[0])
    expect(notes.map((note) => isSignedBy(own, note))).toEqual([true, true, true])
    expect(notes.map((note) => isSignedBy(operator, note))).toEqual([true, false, false])
    expect(isSignedBy(own, DATA.replace('lost 0', 'lost 1'))).toBe(false)
    const hashes = notes.map((note) => sha256(textOf(note)))
    expect(hashes.map(hex)).toEqual(lines(TEXT_HASHES))
    const before = [Buffer.alloc(32), ...hashes.slice(0, -1)].map((hash) => hash.toString('base64'))
    expect(notes.map((note) => valueOf(note, 'prev'))).toEqual(before)
  })

  test('is signed by keys that are as new as they must be', () => {
    const [, rotate = '', other = ''] =
      /comes at most ([\d,]+) blocks after[^.]*?less than ([\d,]+) blocks before/.exec(PAGE) ?? []
    const [mostOfRotate, moreThanOthers] = [rotate, other].map((text) => Number(text.replace(',', '')))
    expect([mostOfRotate, moreThanOthers]).toEqual([BLOCKS_PER_KEY, BLOCKS_PER_KEY])
    let keyFrom = 0
    for (const note of notes) {
      const number = Number(valueOf(note, 'block'))
      const isRotate = valueOf(note, 'kind') === 'rotate'
      expect(number - keyFrom).toBeLessThan(isRotate ? BLOCKS_PER_KEY + 1 : BLOCKS_PER_KEY)
      if (isRotate) keyFrom = number
    }
  })

  test('is what this library reads', async () => {
    const { openNote, parseBlock } = await import('otel-audit/chain')
    const keys = lines(KEYS)
    expect(openNote(GENESIS, keys).verified).toHaveLength(2)
    for (const [number, note] of notes.entries())
      expect(parseBlock(openNote(note, keys).text).number).toBe(number)
  })
})

describe('the example of a proof', () => {
  const proof = JSON.parse(PROOF) as {
    event: Record<string, string | number>
    index: number
    path: string[]
    block: string
    keys: string[]
  }

  test('is of the second row, and leads to the root', () => {
    const columns = Object.entries(proof.event).map(([field, value]) => [
      field.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`),
      value,
    ])
    expect(Object.fromEntries(columns)).toEqual(rows[1])
    expect([proof.index, proof.block, proof.keys]).toEqual([1, DATA, [GENESIS]])
    const [left = '', right = ''] = proof.path
    const node = (a: Buffer, b: Buffer): Buffer => sha256(Uint8Array.of(1), a, b)
    const bytes = (text: string): Buffer => Buffer.from(text, 'base64')
    const leaf = leafOf(valueOf(DATA, 'chain'), 1, 1, sha256(encoded(rows[1] ?? {})))
    const root = node(node(bytes(left), leaf), bytes(right))
    expect(root.toString('base64')).toBe(valueOf(DATA, 'root'))
  })

  test('has the fields that the page says, and no other', async () => {
    const { eventJson } = await import('../../src/verify/row-proof.js')
    const { anEvent } = await import('../support/events.js')
    const [, list = ''] = /\| `event` \| (.*?), and no others \|/.exec(PAGE) ?? []
    const named = [...list.matchAll(/`(\w+)`/g)]
      .map(([, name]) => name)
      .filter((name) => name !== 'attributes')
    expect(named).toEqual(Object.keys(anEvent()).toSorted((a, b) => named.indexOf(a) - named.indexOf(b)))
    expect(eventJson(anEvent())).not.toHaveProperty('notes')
  })

  test('is what this library proves', async () => {
    const { checkRowProof } = await import('../../src/verify/row-proof.js')
    const { parseTrust } = await import('../../src/verify/trust.js')
    const trust = parseTrust(`origin otel-audit/example\nenrolment ${lines(KEYS)[1]}`)
    expect(checkRowProof(PROOF, trust)).toMatchObject({ index: 1, enrolled: true })
  })
})

test('the example has an anchor of each kind, and this library reads them', async () => {
  const { Anchors } = await import('../../src/verify/anchors.js')
  const { readAnchors } = await import('../../src/verify/anchor-file.js')
  const { FindingLog } = await import('../../src/verify/finding.js')
  const given = lines(ANCHORS)
  expect(given.map((line) => Object.keys(JSON.parse(line) as object))).toEqual([
    ['resourceSpans'],
    ['resourceSpans'],
    ['resourceLogs'],
    ['resourceSpans'],
  ])
  const [, one = '', two = ''] = lines(TEXT_HASHES)
  for (const line of given) {
    for (const [hashes, held] of [
      [[one, two], 1],
      [[two, one], 0],
    ] as const) {
      const anchors = new Anchors()
      await readAnchors([line], anchors)
      const log = new FindingLog(() => {})
      for (const [i, hash] of hashes.entries()) {
        const block = { chain: valueOf(DATA, 'chain'), number: i + 1, rows: i === 0 ? 3 : 0 }
        anchors.check(block, Buffer.from(hash, 'hex'), log)
      }
      // The span of a strict record says no hash.
      expect(anchors.coverage).toMatchObject({ given: 1, held: line === given[0] ? 1 : held })
    }
  }
})

test('the page has every finding, and no other', () => {
  const documented = [...PAGE.matchAll(/^\| `([a-z]+-[a-z-]+)` \| (.+) \|$/gm)].map(([, code, meaning]) => [
    code,
    meaning,
  ])
  const statements = ['rows-from']
  expect(documented.filter(([code]) => !statements.includes(code ?? ''))).toEqual(Object.entries(FINDINGS))
})

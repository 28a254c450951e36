import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'

// A second verifier, written from docs/integrity.md alone: nothing of src/.

export const PAGE = readFileSync(join(import.meta.dirname, '../../docs/integrity.md'), 'utf8')

/** A row of one of the two tables, as the SELECTs of the page give it, without what is NULL. */
export type Columns = Readonly<Record<string, string | number>>

/** The two SELECTs of the page: blocks, and rows. */
export const [SELECT_BLOCKS = '', SELECT_ROWS = ''] = [
  ...(PAGE.split('### Reading the tables')[1] ?? '').matchAll(/^```sql\n(.*?)^```$/gms),
].map(([, text = '']) => text)

export const sha256 = (...parts: (string | Uint8Array)[]): Buffer =>
  createHash('sha256')
    .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
    .digest()
export const lines = (text: string): string[] => text.split('\n').filter(Boolean)
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Columns by their tags, as the page has them: in two halves of one table. */
export const TAGS = new Map(
  [...PAGE.matchAll(/\| (\d+) \| `(\w+)` \| ([^|]+?) (?=\|)/g)].map(([, tag, column = '', kind = '']) => [
    column,
    { tag: Number(tag), isInteger: kind.startsWith('i64be') },
  ]),
)

export function encoded(row: Columns): Buffer {
  const fields = Object.entries(row)
    .filter(([column]) => TAGS.has(column))
    .map(([column, value]) => ({ ...(TAGS.get(column) ?? { tag: 0, isInteger: false }), value }))
    .toSorted((a, b) => a.tag - b.tag)
    .map(({ tag, isInteger, value }) => {
      const bytes = isInteger ? Buffer.alloc(8) : Buffer.from(String(value))
      if (isInteger) bytes.writeBigInt64BE(BigInt(value))
      const head = Buffer.alloc(5)
      head.writeUInt8(tag)
      head.writeUInt32BE(bytes.length, 1)
      return Buffer.concat([head, bytes])
    })
  return Buffer.concat([Buffer.from('otel-audit/event/v1\n'), ...fields])
}

export function leafOf(chain: string, block: number, index: number, digest: Buffer): Buffer {
  const place = Buffer.alloc(12)
  place.writeBigUInt64BE(BigInt(block))
  place.writeUInt32BE(index, 8)
  return sha256(Uint8Array.of(0), 'otel-audit/row/v1\n', Buffer.from(chain, 'hex'), place, digest)
}

export function rootOf(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves
  if (only === undefined) return sha256('')
  if (leaves.length === 1) return only
  const half = 2 ** Math.floor(Math.log2(leaves.length - 1))
  return sha256(Uint8Array.of(1), rootOf(leaves.slice(0, half)), rootOf(leaves.slice(half)))
}

export interface Key {
  readonly name: string
  readonly id: string
  readonly bytes: Buffer
}

export function keyOf(verifierKey: string): Key {
  const [, name = '', id = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(verifierKey) ?? []
  const bytes = Buffer.from(encoded, 'base64')
  expect(bytes[0]).toBe(1)
  expect(hex(sha256(name, '\n', bytes)).slice(0, 8)).toBe(id)
  return { name, id, bytes: bytes.subarray(1) }
}

export function isSignedBy({ name, id, bytes }: Key, note: string): boolean {
  const end = note.lastIndexOf('\n\n')
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') },
    format: 'jwk',
  })
  return lines(note.slice(end + 2)).some((line) => {
    const [dash, by, encoded = ''] = line.split(' ')
    const signature = Buffer.from(encoded, 'base64')
    const isKey = dash === '—' && by === name && hex(signature.subarray(0, 4)) === id
    return isKey && verify(null, Buffer.from(note.slice(0, end + 1)), key, signature.subarray(4))
  })
}

export const textOf = (note: string): string => note.slice(0, note.lastIndexOf('\n\n') + 1)
export const valueOf = (note: string, name: string): string =>
  new RegExp(`^${name} (.*)$`, 'm').exec(note)?.[1] ?? ''

function textOfBlock(b: Columns): string {
  const base64 = (column: string): string => Buffer.from(String(b[column]), 'hex').toString('base64')
  return (
    `otel-audit/block/v1\nlog ${b['log']}\nchain ${b['chain_id']}\nblock ${b['block_no']}\nkind ${b['kind']}\n` +
    `prev ${base64('prev_hash')}\nids ${b['min_id'] ?? '-'} ${b['max_id'] ?? '-'}\nrows ${b['row_count']} ${b['row_total']}\n` +
    `lost ${b['lost_total']}\nroot ${base64('root')}\ntime ${b['block_time']}\n${b['body']}`
  )
}

/**
 * Holds an honest trail against the page: each chain from its genesis, each block with its rows.
 *
 * @param operator verifier key that has enrolled all of its chains
 * @returns how many rows are in their places under a signed root
 */
export function provenRows(blocks: readonly Columns[], rows: readonly Columns[], operator: string): number {
  let proven = 0
  for (const chain of new Set(blocks.map((block) => String(block['chain_id'])))) {
    const its = blocks.filter((block) => block['chain_id'] === chain)
    const genesis = its[0]?.['body'] ?? ''
    let key = keyOf(valueOf(String(genesis), 'writer'))
    expect(hex(sha256('otel-audit/chain/v1\n', key.bytes)).slice(0, 32)).toBe(chain)
    let prev: Uint8Array = Buffer.alloc(32)
    for (const [number, block] of its.entries()) {
      const text = textOfBlock(block)
      const note = `${text}\n${block['signatures']}`
      expect([block['block_no'], block['prev_hash']]).toEqual([String(number), hex(prev)])
      expect([number, isSignedBy(key, note)]).toEqual([number, true])
      if (number === 0) expect(isSignedBy(keyOf(operator), note)).toBe(true)
      if (block['kind'] === 'rotate') key = keyOf(valueOf(text, 'writer'))
      prev = sha256(text)
      const ofBlock = rows.filter((row) => row['chain_id'] === chain && row['block_no'] === block['block_no'])
      const leaves = ofBlock.map((row, index) => {
        const digest = sha256(encoded(row))
        expect([row['event_digest'], row['block_index']]).toEqual([hex(digest), index])
        return leafOf(chain, number, index, digest)
      })
      expect([ofBlock.length, hex(rootOf(leaves))]).toEqual([block['row_count'], block['root']])
      proven += ofBlock.length
    }
  }
  return proven
}

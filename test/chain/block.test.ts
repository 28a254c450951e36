import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import {
  type Block,
  blockHash,
  type BlockIds,
  type BlockKind,
  type ChainOpening,
  chainIdOf,
  type ChainPosition,
  openNote,
  parseBlock,
  rowLeaf,
} from 'otel-audit/chain'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { blockText, NO_PREVIOUS, WITHOUT_ROWS } from '../../src/chain/block.js'
import { blockColumns, sameColumns, textOfColumns } from '../../src/chain/block-columns.js'
import { logNameFor, newChain } from '../../src/chain/chain-key.js'
import { generateNoteKey, isKeyName } from '../../src/chain/note-key.js'
import { signBlock } from '../../src/chain/signed-block.js'
import { arbitraryBlock } from './arbitrary-block.js'

const MALFORMED = expect.objectContaining({ code: 'AUDIT_BLOCK_MALFORMED' })
const TRAIL = '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6'
const CHAIN = '8f9b4c0000000000000000000000aa01'
const KEY = generateNoteKey(`otel-audit/wallet/${CHAIN}`)

const DATA: Block = {
  log: 'otel-audit/wallet',
  chain: CHAIN,
  number: 7,
  kind: 'data',
  prev: Buffer.alloc(32, 1),
  ids: { first: 44_043_086_585_688_106n, last: 44_043_086_585_688_108n },
  rows: 3,
  rowsTotal: 90,
  lost: 2,
  root: Buffer.alloc(32, 2),
  time: 1_764_153_600_000_001,
  writer: undefined,
  opening: undefined,
}
const GENESIS: Block = {
  ...DATA,
  ...WITHOUT_ROWS,
  number: 0,
  kind: 'genesis',
  prev: NO_PREVIOUS,
  rowsTotal: 0,
  lost: 0,
  writer: KEY.verifierKey,
  opening: {
    service: 'wal"let\\',
    instance: '',
    version: '0.1.0',
    trail: TRAIL,
    system: '7412345678901234567',
    continues: { chain: CHAIN, block: 12 },
  },
}

test('a block is typed as it is documented', () => {
  expectTypeOf<Block['ids']>().toEqualTypeOf<BlockIds | undefined>()
  expectTypeOf<Block['opening']>().toEqualTypeOf<ChainOpening | undefined>()
  expectTypeOf<ChainOpening['continues']>().toEqualTypeOf<ChainPosition | undefined>()
  expectTypeOf<BlockKind>().toEqualTypeOf<'genesis' | 'data' | 'idle' | 'rotate' | 'close'>()
})

describe('the text of a block', () => {
  test('of rows is this', () => {
    expect(blockText(DATA)).toBe(
      `otel-audit/block/v1
log otel-audit/wallet
chain 8f9b4c0000000000000000000000aa01
block 7
kind data
prev AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
ids 44043086585688106 44043086585688108
rows 3 90
lost 2
root AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=
time 1764153600000001
`,
    )
  })

  test('of genesis is this', () => {
    expect(blockText(GENESIS)).toBe(
      `otel-audit/block/v1
log otel-audit/wallet
chain 8f9b4c0000000000000000000000aa01
block 0
kind genesis
prev AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
ids - -
rows 0 0
lost 0
root 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
time 1764153600000001
writer ${KEY.verifierKey}
service "wal\\"let\\\\"
instance ""
version 0.1.0
trail ${TRAIL}
system 7412345678901234567
continues 8f9b4c0000000000000000000000aa01 12
`,
    )
  })

  test('is read, and written the same, whatever the block', () => {
    fc.assert(
      fc.property(arbitraryBlock, (block) => {
        const text = blockText(block)
        const read = parseBlock(text)
        expect(blockText(read)).toBe(text)
        expect({ ...read, prev: [...read.prev], root: [...read.root] }).toEqual({
          ...block,
          prev: [...block.prev],
          root: [...block.root],
          opening: block.opening,
        })
      }),
    )
  })

  test('comes back from the columns, whatever the block', () => {
    fc.assert(
      fc.property(arbitraryBlock, (block) => {
        const columns = blockColumns(block, '')
        expect(textOfColumns(columns)).toBe(blockText(block))
        expect(sameColumns(columns, columns)).toBe(true)
        expect(sameColumns(columns, { ...columns, signatures: '-' })).toBe(false)
        expect(sameColumns(columns, { ...columns, lostTotal: columns.lostTotal + 1n })).toBe(false)
      }),
    )
  })

  test('with one character changed is another block, or none', () => {
    const text = blockText(GENESIS)
    for (let i = 0; i < text.length; i++) {
      for (const character of ['', ' ', '0', '\n', 'x']) {
        const changed = text.slice(0, i) + character + text.slice(i + 1)
        if (changed === text) continue
        let read: Block
        try {
          read = parseBlock(changed)
        } catch (error) {
          expect(error).toMatchObject({ code: 'AUDIT_BLOCK_MALFORMED' })
          continue
        }
        expect(blockText(read)).toBe(changed)
      }
    }
  })

  test('is no C2SP checkpoint: the second line is no number', () => {
    expect(blockText(DATA).split('\n')[1]).toBe('log otel-audit/wallet')
  })
})

const replaced = (block: Block, from: string | RegExp, to: string): string => {
  const text = blockText(block)
  const changed = text.replace(from, to)
  if (changed === text) throw new Error(`nothing to replace: ${String(from)}`)
  return changed
}

test.each<[string, string]>([
  ['nothing', ''],
  ['another format', replaced(DATA, 'block/v1', 'block/v2')],
  ['no newline at its end', blockText(DATA).slice(0, -1)],
  ['a line too many', `${blockText(DATA)}x 1\n`],
  ['an empty line', replaced(DATA, 'lost', '\nlost')],
  ['lines in another order', replaced(DATA, /(lost \d+\n)(root .*\n)/, '$2$1')],
  ['a line twice', replaced(DATA, 'lost 2\n', 'lost 2\nlost 2\n')],
  ['a line less', replaced(DATA, 'lost 2\n', '')],
  ['a carriage return', replaced(DATA, 'lost 2\n', 'lost 2\r\n')],
  ['two spaces', replaced(DATA, 'lost 2', 'lost  2')],
  ['a space at the end of a line', replaced(DATA, 'lost 2', 'lost 2 ')],
  ['a leading zero', replaced(DATA, 'block 7', 'block 07')],
  ['a leading zero in an id', replaced(DATA, 'ids 4', 'ids 04')],
  ['a sign', replaced(DATA, 'block 7', 'block +7')],
  ['a negative number', replaced(DATA, 'lost 2', 'lost -2')],
  ['a fraction', replaced(DATA, 'lost 2', 'lost 2.0')],
  ['an exponent', replaced(DATA, 'lost 2', 'lost 2e0')],
  ['a number of 2^53', replaced(DATA, 'lost 2', 'lost 9007199254740992')],
  ['an id of 2^63', replaced(DATA, '44043086585688108', '9223372036854775808')],
  ['Arabic digits', replaced(DATA, 'lost 2', 'lost ٢')],
  ['an unknown kind', replaced(DATA, 'kind data', 'kind date')],
  ['a chain in capitals', replaced(DATA, '8f9b4c', '8F9B4C')],
  ['a chain too short', replaced(DATA, '8f9b4c', '8f9b4')],
  ['a log with a plus', replaced(DATA, 'audit/wallet', 'audit/wal+let')],
  ['a log with a space', replaced(DATA, 'audit/wallet', 'audit/wal let')],
  ['no log', replaced(DATA, 'otel-audit/wallet', '')],
  ['base64 without padding', replaced(DATA, 'gI=', 'gI')],
  ['base64 with stray bits', replaced(DATA, 'gI=', 'gJ=')],
  ['a root of 31 bytes', replaced(DATA, /root .*/, `root ${Buffer.alloc(31).toString('base64')}`)],
  ['rows without ids', replaced(DATA, /ids .*/, 'ids - -')],
  ['one id only', replaced(DATA, /ids .*/, 'ids 44043086585688106 -')],
  ['ids the wrong way round', replaced(DATA, /ids .*/, 'ids 2 1')],
  ['several rows of one id', replaced(DATA, /ids .*/, 'ids 1 1')],
  ['one row of two ids', replaced(DATA, 'rows 3', 'rows 1')],
  ['more rows than the chain', replaced(DATA, 'rows 3 90', 'rows 3 2')],
  ['data without rows', replaced(DATA, 'rows 3', 'rows 0')],
  ['rows in an idle block', replaced(DATA, 'kind data', 'kind idle')],
  ['ids in an idle block', blockText({ ...DATA, kind: 'idle', rows: 0, root: WITHOUT_ROWS.root })],
  ['a root in an idle block', blockText({ ...DATA, kind: 'idle', rows: 0, ids: undefined })],
  ['a genesis that is not block 0', replaced(GENESIS, 'block 0', 'block 1')],
  ['a block 0 that is no genesis', replaced(DATA, 'block 7', 'block 0')],
  ['a genesis after something', blockText({ ...GENESIS, prev: Buffer.alloc(32, 1) })],
  ['a genesis that counts rows', blockText({ ...GENESIS, rowsTotal: 1 })],
  ['a genesis without a writer', replaced(GENESIS, /writer .*\n/, '')],
  ['a writer in a data block', `${blockText(DATA)}writer ${KEY.verifierKey}\n`],
  ['a rotation without a writer', blockText({ ...DATA, ...WITHOUT_ROWS, kind: 'rotate' })],
  [
    'a key of another chain',
    blockText({ ...GENESIS, writer: generateNoteKey('otel-audit/wallet/x').verifierKey }),
  ],
  ['a writer that is no key', replaced(GENESIS, /writer .*/, 'writer me')],
  ['a service that is not JSON', replaced(GENESIS, /service .*/, 'service wallet')],
  ['a service that is no string', replaced(GENESIS, /service .*/, 'service {}')],
  ['a service written in another way', replaced(GENESIS, /service .*/, 'service "\\u0077allet"')],
  ['a service with space around it', replaced(GENESIS, /service .*/, 'service  "wallet"')],
  ['a version with a space', replaced(GENESIS, 'version 0.1.0', 'version 0 1')],
  ['no trail', replaced(GENESIS, /trail .*\n/, '')],
  ['no server', replaced(GENESIS, /system .*\n/, '')],
  ['a trail in capitals', replaced(GENESIS, TRAIL, TRAIL.toUpperCase())],
  ['a trail that is too short', replaced(GENESIS, /trail .*/, 'trail 5f0c2a9e')],
  ['a server with leading zeros', replaced(GENESIS, /system .*/, 'system 07412345678901234567')],
  ['a server without a number', replaced(GENESIS, /system .*/, 'system unknown')],
  ['trail and server exchanged', replaced(GENESIS, /(trail .*\n)(system .*\n)/, '$2$1')],
  ['a continuation of nothing', replaced(GENESIS, /continues .*/, 'continues 12')],
])('a text that has %s is none of a block', (_, text) => {
  expect(() => parseBlock(text)).toThrow(MALFORMED)
})

test('columns that smuggle lines in are no block', () => {
  const columns = blockColumns(DATA, '')
  const smuggled = [
    { ...columns, log: `x\nchain ${CHAIN}` },
    { ...columns, kind: 'data\nprev x' },
    { ...columns, body: 'writer x\n' },
    { ...columns, body: '\n' },
    { ...columns, blockNo: -7n },
    { ...columns, rowCount: 3.5 },
    { ...columns, minId: null },
  ]
  for (const bad of smuggled) expect(() => parseBlock(textOfColumns(bad))).toThrow(MALFORMED)
})

describe('hashes', () => {
  const sha256 = (...parts: Uint8Array[]): Buffer =>
    createHash('sha256').update(Buffer.concat(parts)).digest()

  test('a chain’s id comes from its first key', () => {
    const { id, signer } = newChain('otel-audit/wallet')
    const { publicKey } = signer.key
    expect(id).toBe(sha256(Buffer.from('otel-audit/chain/v1\n'), publicKey).toString('hex').slice(0, 32))
    expect(chainIdOf(publicKey)).toBe(id)
    expect(signer.name).toBe(`otel-audit/wallet/${id}`)
  })

  test('a leaf has chain, block, index and digest in it', () => {
    const digest = Buffer.alloc(32, 5)
    const leafOf = (block: bigint, index: number): Buffer => {
      const place = Buffer.alloc(12)
      place.writeBigUInt64BE(block)
      place.writeUInt32BE(index, 8)
      return sha256(Buffer.from('\0otel-audit/row/v1\n'), Buffer.from(CHAIN, 'hex'), place, digest)
    }
    for (const [block, index] of [
      [0, 0],
      [7, 2],
      [2 ** 32 - 1, 1],
      [2 ** 32, 1],
      [Number.MAX_SAFE_INTEGER, 2 ** 32 - 1],
    ] as const) {
      expect(rowLeaf(CHAIN, block, index, digest)).toEqual(leafOf(BigInt(block), index))
    }
  })

  test('a block’s hash is that of its text, without the signatures', () => {
    const { text, hash, note, columns } = signBlock(DATA, [KEY.signer])
    expect(hash).toEqual(sha256(Buffer.from(text)))
    expect(blockHash(text)).toEqual(hash)
    expect(openNote(note, [KEY.verifierKey]).text).toBe(text)
    expect(`${textOfColumns(columns)}\n${columns.signatures}`).toBe(note)
  })
})

test('the name of a log that nobody named can be that of a key, and tells databases apart', () => {
  expect(logNameFor('wallet')).toBe('otel-audit/wallet')
  expect(logNameFor('my wallet+1')).toBe('otel-audit/my%20wallet%2B1')
  const name = fc.string({ unit: 'binary', minLength: 1 })
  fc.assert(
    fc.property(name, name, (a, b) => {
      expect(isKeyName(logNameFor(a))).toBe(true)
      if (a.toWellFormed() !== b.toWellFormed()) expect(logNameFor(a)).not.toBe(logNameFor(b))
    }),
  )
})

import { beforeAll, describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { signNote } from '../../src/chain/note.js'
import { checkRowProof, makeRowProof, type RowProof } from '../../src/verify/row-proof.js'
import { NO_TRUST } from '../../src/verify/trust.js'
import { anEvent } from '../support/events.js'
import { eventDigest } from '../../src/event/digest.js'
import { rowLeaf } from '../../src/chain/block.js'
import { inclusionProof } from '../../src/chain/merkle.js'
import { toBase64 } from '../../src/chain/hash.js'
import { MemoryTrail, MemoryWriter } from './memory-trail.js'

// A proof that is not one is malformed, one that proves nothing is refuted, and neither is anything else.

const ROWS = 5
let trail: MemoryTrail
let writer: MemoryWriter

beforeAll(() => {
  trail = new MemoryTrail()
  writer = new MemoryWriter(trail)
  writer.write(ROWS)
})

function proofOf(index: number): RowProof {
  const rows = trail.rowsOf(writer.id, 1)
  const digests = rows.map(({ digest }) => digest ?? Buffer.alloc(0))
  const event = rows[index]?.event
  if (event === undefined) throw new Error('no row')
  return makeRowProof(event, index, digests, trail.blockAt(writer.id, 1), [trail.blockAt(writer.id, 0)])
}

type Parts = Readonly<Record<string, unknown>>

/** What becomes of a proof of the third row that is changed so. */
function verdictOf(parts: Parts, event: Parts = {}): string {
  const proof = proofOf(2)
  const changed = { ...proof, event: { ...proof.event, ...event }, ...parts }
  try {
    checkRowProof(JSON.stringify(changed), NO_TRUST)
    return 'proven'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

const MALFORMED = 'AUDIT_EVIDENCE_MALFORMED'
const REFUTED = 'AUDIT_EVIDENCE_REFUTED'

test('every row of a block is proven', () => {
  for (let index = 0; index < ROWS; index++) {
    const proof = proofOf(index)
    expect(checkRowProof(JSON.stringify(proof), NO_TRUST)).toMatchObject({ index })
  }
  expect(verdictOf({})).toBe('proven')
})

test.each([-1, -0.5, 0.5, 2 ** 32, 2 ** 53, 1e300, -(2 ** 31), '2', null, true, [2]])(
  'with index %j it is malformed',
  (index) => {
    expect(verdictOf({ index })).toBe(MALFORMED)
  },
)

test.each([0, 1, 3, 4, 5, 6, 2 ** 32 - 1])('with index %j it is refuted', (index) => {
  expect(verdictOf({ index })).toBe(REFUTED)
})

describe('an integer', () => {
  test.each(['auditId', 'executionId', 'parentExecutionId', 'originalAuditId'])(
    '%s is written in one way',
    (field) => {
      for (const value of [
        7,
        1e21,
        null,
        '',
        ' 7',
        '7 ',
        '07',
        '00',
        '-0',
        '+7',
        '--7',
        '7n',
        '0x7',
        '7.0',
        '7e0',
        '٧',
        '9223372036854775808',
        '-9223372036854775809',
        '99999999999999999999999',
        ['7'],
        {},
        true,
      ]) {
        expect([value, verdictOf({}, { [field]: value })]).toEqual([value, MALFORMED])
      }
      for (const value of ['0', '9223372036854775807'])
        expect(verdictOf({}, { [field]: value })).toBe(REFUTED)
      for (const value of ['-7', '-9223372036854775808']) {
        expect(verdictOf({}, { [field]: value })).toBe(field === 'auditId' ? MALFORMED : REFUTED)
      }
    },
  )

  test('as a number, the very one, is malformed too: JSON would round it', () => {
    const { auditId } = proofOf(2).event
    expect(verdictOf({}, { auditId: Number(auditId) })).toBe(MALFORMED)
  })
})

test('text that no UTF-8 can have is malformed: its bytes would be those of another text', () => {
  const event = anEvent({ notes: 'a\ufffd' })
  expect(eventDigest({ ...event, notes: 'a\ud800' })).toEqual(eventDigest(event))
  for (const text of ['a\ud800', '\udc00', '\ud800\ud800\udc00']) {
    for (const field of ['credential', 'notes', 'attributesJson']) {
      expect(verdictOf({}, { [field]: text })).toBe(MALFORMED)
    }
  }
})

test.each([
  ['no event', { event: undefined }],
  ['an event that is a list', { event: [] }],
  ['an event that is text', { event: 'x' }],
  ['no path', { path: undefined }],
  ['a path of numbers', { path: [1] }],
  ['a path of hashes that are too short', { path: ['AAAA'] }],
  ['a path in base64url', { path: [`${'_'.repeat(43)}=`] }],
  ['a path without padding', { path: ['A'.repeat(43)] }],
  ['no keys', { keys: undefined }],
  ['keys that are text', { keys: 'x' }],
  ['no block', { block: undefined }],
  ['another format', { format: 'otel-audit/proof/v2' }],
  ['no format', { format: undefined }],
])('%s: malformed', (_, parts) => {
  expect(verdictOf(parts)).toBe(MALFORMED)
})

test.each(['auditId', 'occurredAt', 'credential', 'operation', 'outcome'])(
  'without %s it is malformed',
  (field) => {
    expect(verdictOf({}, { [field]: undefined })).toBe(MALFORMED)
  },
)

test.each(['null', '[]', '7', '"x"', '', '{', '[[[', 'null{}', '['.repeat(200_000)])(
  '%s is malformed',
  (text) => {
    expect(() => checkRowProof(text, NO_TRUST)).toThrow(expect.objectContaining({ code: MALFORMED }))
  },
)

describe('refuted', () => {
  const message = (parts: Parts): string => {
    try {
      checkRowProof(JSON.stringify({ ...proofOf(2), ...parts }), NO_TRUST)
      return 'proven'
    } catch (error) {
      return (error as Error).message
    }
  }

  test('is one without a genesis block, and it says so', () => {
    expect(message({ keys: [] })).toBe('AUDIT_EVIDENCE_REFUTED: the genesis block: it is not there')
  })

  test.each<[string, () => Parts]>([
    ['a key block that is text', () => ({ keys: ['x'] })],
    ['a key block that is another note', () => ({ keys: [signNote('x\n', generateNoteKey('x').signer)] })],
    ['the block itself as its key', () => ({ keys: [proofOf(2).block] })],
    ['genesis twice', () => ({ keys: [...proofOf(2).keys, ...proofOf(2).keys] })],
    ['a block that is genesis', () => ({ block: proofOf(2).keys[0] })],
    ['a block that is text', () => ({ block: 'x' })],
    ['a path that is too short', () => ({ path: proofOf(2).path.slice(1) })],
    ['a path that is too long', () => ({ path: [...proofOf(2).path, proofOf(2).path[0]] })],
    ['no path', () => ({ path: [] })],
  ])('%s', (_, parts) => {
    expect(verdictOf(parts())).toBe(REFUTED)
  })

  test('is a row whose id does not go with its index, though its key signed it so', () => {
    const own = new MemoryTrail()
    const one = new MemoryWriter(own)
    const [first, second] = one.write(2)
    if (first === undefined || second === undefined) throw new Error('no rows')
    // The writer signs ids that are not those of its rows.
    const digests = [second, first].map(({ event }) => eventDigest(event))
    const leaves = digests.map((digest, i) => rowLeaf(one.id, 1, i, digest))
    expect(inclusionProof(leaves, 0).map(toBase64)).toHaveLength(1)
    const proof = makeRowProof(second.event, 0, digests, own.blockAt(one.id, 1), [own.blockAt(one.id, 0)])
    expect(() => checkRowProof(JSON.stringify(proof), NO_TRUST)).toThrow(/cannot have index 0/)
  })
})

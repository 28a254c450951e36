import { describe, expect, test } from 'vitest'
import { type Block, BLOCKS_PER_KEY, NO_PREVIOUS, rowLeaf, WITHOUT_ROWS } from '../../src/chain/block.js'
import type { BlockColumns } from '../../src/chain/block-columns.js'
import { newChain, nextKey } from '../../src/chain/chain-key.js'
import { merkleRoot } from '../../src/chain/merkle.js'
import type { NoteSigner } from '../../src/chain/note-key.js'
import { type SignedBlock, signBlock } from '../../src/chain/signed-block.js'
import { checkRowProof, makeRowProof } from '../../src/verify/row-proof.js'
import { NO_TRUST } from '../../src/verify/trust.js'
import { eventDigest } from '../../src/event/digest.js'
import { anEvent } from '../support/events.js'
import { LOG, MemoryTrail, TRAIL, verified } from './memory-trail.js'

// What somebody can do who has stolen a key that was replaced since, and leaves the rotation out.

const { id: chain, signer: old } = newChain(LOG)
const next = nextKey(LOG, chain)
const event = anEvent()
const digest = eventDigest(event)

const blockAt = (number: number, parts: Partial<Block> & Pick<Block, 'kind'>): Block => ({
  log: LOG,
  chain,
  number,
  prev: NO_PREVIOUS,
  ...WITHOUT_ROWS,
  rowsTotal: 0,
  lost: 0,
  time: 0,
  writer: undefined,
  opening: undefined,
  ...parts,
})

const opening = {
  service: '',
  instance: '',
  version: '0.1.0',
  trail: TRAIL,
  system: undefined,
  continues: undefined,
}
const genesis = signBlock(blockAt(0, { kind: 'genesis', writer: old.verifierKey, opening }), [old])
const rotation = (number: number): SignedBlock =>
  signBlock(blockAt(number, { kind: 'rotate', writer: next.verifierKey }), [old, next])

describe('a proof', () => {
  /** Checks the proof of a row in this block. */
  function check(number: number, key: NoteSigner, ...rotations: readonly SignedBlock[]): number {
    const ids = { first: event.auditId, last: event.auditId }
    const root = merkleRoot([rowLeaf(chain, number, 0, digest)])
    const data = signBlock(blockAt(number, { kind: 'data', ids, rows: 1, rowsTotal: 1, root }), [key])
    const keys: BlockColumns[] = [genesis, ...rotations].map(({ columns }) => columns)
    const proof = makeRowProof(event, 0, [digest], data.columns, keys)
    return checkRowProof(JSON.stringify(proof), NO_TRUST).block.number
  }

  const refutation = (message: string): unknown =>
    expect.objectContaining({
      code: 'AUDIT_EVIDENCE_REFUTED',
      message: expect.stringContaining(message),
      // The step that failed, and why: with no second code in between.
      reason: expect.not.stringContaining('AUDIT_'),
    })

  test('holds as long as a key signs', () => {
    expect(check(BLOCKS_PER_KEY - 1, old)).toBe(BLOCKS_PER_KEY - 1)
    expect(check(2 * BLOCKS_PER_KEY - 1, next, rotation(BLOCKS_PER_KEY))).toBe(2 * BLOCKS_PER_KEY - 1)
  })

  test('that leaves out a rotation is refuted', () => {
    expect(() => check(BLOCKS_PER_KEY, old)).toThrow(
      refutation(
        'the rotations: one is missing between block 0 and block 1000: a key signs for 1000 blocks at most',
      ),
    )
    expect(() => check(2 * BLOCKS_PER_KEY, next, rotation(BLOCKS_PER_KEY))).toThrow(
      refutation('one is missing between block 1000 and block 2000'),
    )
    expect(() => check(BLOCKS_PER_KEY + 2, next, rotation(BLOCKS_PER_KEY + 1))).toThrow(
      refutation('one is missing between block 0 and block 1001'),
    )
  })
})

test('a chain that goes on with a key that should have been replaced is found, once for each key', async () => {
  const trail = new MemoryTrail()
  trail.table.push({ ...genesis.columns })
  let prev: Uint8Array = genesis.hash
  for (let number = 1; number <= BLOCKS_PER_KEY + 1; number++) {
    const idle = signBlock(blockAt(number, { kind: 'idle', prev }), [old])
    trail.table.push({ ...idle.columns })
    prev = idle.hash
  }
  expect((await verified(trail)).found).toEqual([
    {
      code: 'block-signature',
      message: 'the key of block 0 has signed it: a key signs for 1000 blocks at most',
      chain,
      block: BLOCKS_PER_KEY,
    },
  ])
})

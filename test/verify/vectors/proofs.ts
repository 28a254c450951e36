import type { AuditEvent } from '../../../src/event/event.js'
import type { RowProof } from '../../../src/verify/row-proof.js'
import { eventOf, VectorChain } from './builder.js'
import { LOG, NEXT, OPERATORS, proofOf, START, UNICODE_CHAIN, WALLET } from './honest.js'

export interface ProofCase {
  readonly what: string
  readonly proof: unknown
  readonly verdict: 'proven' | 'refuted' | 'malformed'
}

const enrolment = [OPERATORS[0]]
const long = new VectorChain(LOG, 'long', START, { enrolment })
while (long.blocks.length < 999) long.end('idle')
const access = (id: bigint): AuditEvent => eventOf({ auditId: 385_000_000_000_000_000n + id })
long.data(access(1n))

/** The same keys and the same blocks, up to here: then something else. */
function longTo(number: number): VectorChain {
  const chain = new VectorChain(LOG, 'long', START, { enrolment })
  while (chain.blocks.length < 999) chain.end('idle')
  chain.data(access(1n))
  while (chain.blocks.length < number) chain.end('idle')
  return chain
}

const rotated = longTo(1000).rotate().data(access(2n))
const late = longTo(1001).rotate().data(access(2n))
const never = longTo(1000).data(access(2n))

const good = proofOf(WALLET, 4, 100)
const changed = (parts: object, event: object = {}): unknown => ({
  ...good,
  event: { ...good.event, ...event },
  ...parts,
})
const twoKeys: RowProof = proofOf(WALLET, 8, 2)

export const PROOFS: Readonly<Record<string, ProofCase>> = {
  'of-1': { what: 'The only row of a block.', proof: proofOf(WALLET, 1, 0), verdict: 'proven' },
  'of-2': { what: 'The second of two rows.', proof: proofOf(WALLET, 2, 1), verdict: 'proven' },
  'of-3': {
    what: 'The last of three rows: its path is one hash.',
    proof: proofOf(WALLET, 3, 2),
    verdict: 'proven',
  },
  'of-195-first': { what: 'The first of 195 rows.', proof: proofOf(WALLET, 4, 0), verdict: 'proven' },
  'of-195': { what: 'One of 195 rows.', proof: good, verdict: 'proven' },
  'of-195-last': { what: 'The last of 195 rows.', proof: proofOf(WALLET, 4, 194), verdict: 'proven' },
  'after-rotation': { what: 'Signed by the second key of the chain.', proof: twoKeys, verdict: 'proven' },
  unicode: { what: 'U+2028, U+FEFF and an emoji.', proof: proofOf(UNICODE_CHAIN, 1, 2), verdict: 'proven' },
  'negative-integers': {
    what: 'Negative execution ids.',
    proof: proofOf(UNICODE_CHAIN, 1, 5),
    verdict: 'proven',
  },
  'before-1970': { what: 'A time before 1970.', proof: proofOf(UNICODE_CHAIN, 1, 9), verdict: 'proven' },
  attributes: {
    what: 'Attributes with spaces, tabs and a key twice.',
    proof: proofOf(UNICODE_CHAIN, 1, 10),
    verdict: 'proven',
  },
  'all-fields': {
    what: 'A row with nearly all of its columns.',
    proof: proofOf(UNICODE_CHAIN, 1, 11),
    verdict: 'proven',
  },
  're-keyed': { what: 'A row whose first id was taken.', proof: proofOf(NEXT, 1, 1), verdict: 'proven' },
  'block-999': {
    what: 'The last block that a key may sign.',
    proof: proofOf(long, 999, 0),
    verdict: 'proven',
  },
  'rotate-1000': {
    what: 'The rotation comes 1,000 blocks after genesis.',
    proof: proofOf(rotated, 1001, 0),
    verdict: 'proven',
  },
  'rotate-1001': {
    what: 'The rotation comes one block too late.',
    proof: proofOf(late, 1002, 0),
    verdict: 'refuted',
  },
  'block-1000': {
    what: 'A key signs one block more than it may.',
    proof: proofOf(never, 1000, 0),
    verdict: 'refuted',
  },
  'rotation-left-out': {
    what: 'The rotation before the block is left out.',
    proof: { ...twoKeys, keys: twoKeys.keys.slice(0, 1) },
    verdict: 'refuted',
  },
  'genesis-left-out': { what: 'No key block.', proof: changed({ keys: [] }), verdict: 'refuted' },
  'genesis-of-another-chain': {
    what: 'Genesis of another chain.',
    proof: changed({ keys: [NEXT.blocks[0]?.note] }),
    verdict: 'refuted',
  },
  'changed-row': { what: 'Another outcome.', proof: changed({}, { outcome: 'denied' }), verdict: 'refuted' },
  'changed-index': { what: 'Another index.', proof: changed({ index: 99 }), verdict: 'refuted' },
  'index-beyond': {
    what: 'An index that the block does not have.',
    proof: changed({ index: 195 }),
    verdict: 'refuted',
  },
  'path-too-short': {
    what: 'A path without its last hash.',
    proof: changed({ path: good.path.slice(0, -1) }),
    verdict: 'refuted',
  },
  'path-too-long': {
    what: 'A path with a hash too many.',
    proof: changed({ path: [...good.path, good.path[0]] }),
    verdict: 'refuted',
  },
  'block-changed': {
    what: 'Another number of rows.',
    proof: changed({ block: good.block.replace('rows 195', 'rows 196') }),
    verdict: 'refuted',
  },
  'index-negative': { what: 'A negative index.', proof: changed({ index: -1 }), verdict: 'malformed' },
  'index-too-large': {
    what: 'An index of 2^32.',
    proof: changed({ index: 2 ** 32 }),
    verdict: 'malformed',
  },
  'id-as-number': {
    what: 'An id as a JSON number.',
    proof: changed({}, { auditId: 384_000_000_000_107_000 }),
    verdict: 'malformed',
  },
  'integer-with-zero': {
    what: 'A leading zero.',
    proof: changed({}, { executionId: '03' }),
    verdict: 'malformed',
  },
  'integer-too-large': {
    what: 'An integer of 2^63.',
    proof: changed({}, { executionId: '9223372036854775808' }),
    verdict: 'malformed',
  },
  'lone-surrogate': {
    what: 'Text that no UTF-8 can have.',
    proof: changed({}, { notes: '\ud800' }),
    verdict: 'malformed',
  },
  'unknown-field': {
    what: 'A field that no event has.',
    proof: changed({}, { colour: 'red' }),
    verdict: 'malformed',
  },
  'path-base64url': {
    what: 'A hash in base64url.',
    proof: changed({ path: [`${'_'.repeat(42)}8`] }),
    verdict: 'malformed',
  },
  'format-unknown': {
    what: 'Another format.',
    proof: changed({ format: 'otel-audit/proof/v2' }),
    verdict: 'malformed',
  },
}

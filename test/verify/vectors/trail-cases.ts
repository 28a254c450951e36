import { signBlock } from '../../../src/chain/signed-block.js'
import {
  block,
  blockAt,
  type Case,
  chain,
  cutAfter,
  dropBlocks,
  dropRows,
  signatures,
  signedAgain,
  TRUST,
} from './alterations.js'
import { SYSTEM, TRAIL, type VectorChain } from './builder.js'
import { FOREIGN, NEXT, UNICODE_CHAIN, WALLET } from './honest.js'
import { blockJson, type Patch, rowJson } from './tables.js'

// Chains of another trail, and blocks that the trust file pins.

const foreign: readonly Patch[] = [
  { table: 'rows', insert: FOREIGN.rows.map(rowJson) },
  { table: 'blocks', insert: FOREIGN.blocks.map(({ columns }) => blockJson(columns)) },
]

/** Genesis of the chain of another trail, which says that it is of this one: nobody has signed that. */
function renamed(): Patch {
  const [genesis] = FOREIGN.blocks
  if (genesis?.block.opening === undefined) throw new Error('no genesis')
  const opening = { ...genesis.block.opening, trail: TRAIL }
  const { columns } = signBlock({ ...genesis.block, opening }, [])
  return block(blockAt(0, FOREIGN.id), { body: columns.body })
}

const pin = ({ id, blocks }: VectorChain, number = blocks.length - 1): string =>
  `head ${id} ${number} ${blocks[number]?.hash.toString('hex')}`

const PINS = [pin(WALLET), pin(UNICODE_CHAIN), pin(NEXT)]
const lastId = WALLET.rows.reduce((most, { event }) => (event.auditId > most ? event.auditId : most), 0n)
/** The wallet has no enrolment signature: it is from before there was a key. */
const notEnrolled = block(blockAt(0), { signatures: signatures(0).replace(/\n[^\n]+\n$/, '\n') })

export const TRAIL_CASES: Readonly<Record<string, Case>> = {
  'chain-foreign': {
    what: 'A chain of another trail is there, of the same log and enrolled by the same key.',
    patch: foreign,
    codes: { 'chain-foreign': 1 },
  },
  'chain-foreign-both-trusted': {
    what: 'The same, and the trust file has both trails.',
    patch: foreign,
    trust: [...TRUST, `trail ${FOREIGN.blocks[0]?.block.opening?.trail}`],
    codes: {},
  },
  'chain-foreign-renamed': {
    what: 'The same, and its genesis block was made to name this trail: no row of the chain is proven.',
    patch: [...foreign, renamed()],
    codes: { 'block-signature': 1, 'chain-unenrolled': 1 },
  },
  'chain-foreign-all': {
    what: 'The trust file has another trail than all chains.',
    patch: [],
    trust: [...TRUST.slice(0, 4), 'trail 00112233445566778899aabbccddeeff'],
    codes: { 'chain-foreign': 3 },
  },
  'chain-of-a-known-server': {
    what: 'The trust file has the server of the chains, and one more.',
    patch: [],
    trust: [...TRUST, 'system 1', `system ${SYSTEM}`],
    codes: {},
  },
  'chain-of-an-unknown-server': {
    what: 'The trust file has another server than all chains.',
    patch: [],
    trust: [...TRUST, 'system 1'],
    codes: { 'chain-foreign': 3 },
  },
  'pinned-held': {
    what: 'The trust file pins the last block of each chain.',
    patch: [],
    trust: [...TRUST, ...PINS],
    codes: {},
  },
  'pinned-head-cut': {
    what: 'The end of a chain is cut off, and the trust file pins its last block.',
    patch: cutAfter(5),
    trust: [...TRUST, ...PINS],
    codes: { 'head-missing': 1 },
  },
  'pinned-chain-deleted': {
    what: 'A chain that none continues is deleted, and the trust file pins two blocks of it.',
    patch: [dropBlocks({ chain_id: chain }), dropRows({ chain_id: chain })],
    trust: [...TRUST, ...PINS, pin(WALLET, 3)],
    codes: { 'head-missing': 1 },
  },
  'pinned-head-other': {
    what: 'A pinned block was signed again, with the stolen key.',
    patch: [signedAgain(9, { time: (WALLET.blocks[9]?.block.time ?? 0) + 1 })],
    trust: [...TRUST, ...PINS],
    codes: { 'head-mismatch': 1 },
  },
  'unenrolled-before': {
    what: 'A chain that is not enrolled is pinned, and ends before the id from which on chains are.',
    patch: [notEnrolled],
    trust: [...TRUST, ...PINS, `unenrolled before ${lastId + 1n}`],
    codes: {},
  },
  'unenrolled-before-its-end': {
    what: 'The same, and its last row has that id.',
    patch: [notEnrolled],
    trust: [...TRUST, ...PINS, `unenrolled before ${lastId}`],
    codes: { 'chain-unenrolled': 1 },
  },
  'unenrolled-not-pinned': {
    what: 'The same, before the id, and the trust file pins nothing of it.',
    patch: [notEnrolled],
    trust: [...TRUST, ...PINS.slice(1), `unenrolled before ${lastId + 1n}`],
    codes: { 'chain-unenrolled': 1 },
  },
  'unenrolled-pinned-other': {
    what: 'The same, and the pinned block is another one.',
    patch: [notEnrolled, signedAgain(9, { time: (WALLET.blocks[9]?.block.time ?? 0) + 1 })],
    trust: [...TRUST, ...PINS, `unenrolled before ${lastId + 1n}`],
    codes: { 'chain-unenrolled': 1, 'head-mismatch': 1 },
  },
  'unenrolled-pinned-alone': {
    what: 'The chain is pinned, and the trust file has no id from which on chains are enrolled.',
    patch: [notEnrolled],
    trust: [...TRUST, ...PINS],
    codes: { 'chain-unenrolled': 1 },
  },
}

import { signBlock } from '../../../src/chain/signed-block.js'
import { eventDigest } from '../../../src/event/digest.js'
import { BEFORE, HONEST, OPERATORS, OTHER_OPERATOR, signatureLine, UNICODE_CHAIN, WALLET } from './honest.js'
import { blockJson, patched } from './tables.js'
import {
  type Case,
  BIG,
  KEYS,
  ORIGIN,
  SECOND_KEY,
  TRUST,
  badLine,
  block,
  blockAt,
  chain,
  changedEvent,
  cutAfter,
  dropBlocks,
  dropRows,
  idOf,
  inBig,
  insertRow,
  otherTables,
  planted,
  retiredTo,
  rewrittenBefore,
  row,
  rowAt,
  rowsBelow,
  signatures,
  signedAgain,
  stranger,
} from './alterations.js'
import { TRAIL_CASES } from './trail-cases.js'

export const CASES: Readonly<Record<string, Case>> = {
  'row-changed': {
    what: 'A column of a row is changed.',
    patch: [row(rowAt(3, 1), { outcome: 'denied' })],
    codes: { 'row-changed': 1 },
  },
  'row-changed-with-digest': {
    what: 'A column of a row is changed, and its digest put right.',
    patch: [row(rowAt(3, 1), { outcome: 'denied', event_digest: eventDigest(changedEvent).toString('hex') })],
    codes: { 'block-root': 1 },
  },
  'row-null-for-empty': {
    what: 'NULL in place of an empty text.',
    patch: [row({ audit_id: String(UNICODE_CHAIN.rows[3]?.event.auditId) }, { notes: null })],
    codes: { 'row-changed': 1 },
  },
  'row-nfd-for-nfc': {
    what: 'A text is written in another normal form of Unicode.',
    patch: [row({ audit_id: String(UNICODE_CHAIN.rows[0]?.event.auditId) }, { credential: 'ku\u0308che' })],
    codes: { 'row-changed': 1 },
  },
  'row-attributes-reformatted': {
    what: 'The same JSON, written in another way.',
    patch: [
      row({ audit_id: String(UNICODE_CHAIN.rows[10]?.event.auditId) }, { attributes: '{"a":2,"ü":"ü"}' }),
    ],
    codes: { 'row-changed': 1 },
  },
  'row-time-infinite': {
    what: 'A time without end: no digest is of it.',
    patch: [row(rowAt(3, 1), { occurred_at: 'Infinity' })],
    codes: { 'row-changed': 1 },
  },
  'row-without-digest': {
    what: 'The digest of a row is removed.',
    patch: [row(rowAt(3, 1), { event_digest: null })],
    codes: { 'row-changed': 1 },
  },
  'row-deleted': { what: 'A row is deleted.', patch: [dropRows(rowAt(BIG, 5))], codes: { 'row-missing': 1 } },
  'row-deleted-last': {
    what: 'The last row of a block is deleted.',
    patch: [dropRows(rowAt(BIG, 194))],
    codes: { 'row-missing': 1 },
  },
  'row-deleted-block-refitted': {
    what: 'A row is deleted, and the row count of its block changed.',
    patch: [dropRows(rowAt(BIG, 194)), block(blockAt(BIG), { row_count: 194 })],
    codes: { 'block-signature': 1, 'block-root': 1 },
  },
  'row-planted-in-old-block': {
    what: 'A row with the index of another, and the second smallest id.',
    patch: [insertRow(planted(idOf(BIG, 0) + 1n, inBig(5)))],
    codes: { 'row-misplaced': 1 },
  },
  'row-planted-beyond': {
    what: 'A row with an index that the block does not have.',
    patch: [insertRow(planted(idOf(BIG, 0) + 1n, inBig(195)))],
    codes: { 'row-misplaced': 1 },
  },
  'row-planted-outside-ids': {
    what: 'A row with an id that lies outside the ids of its block.',
    patch: [insertRow(planted(idOf(BIG, 194) + 1n, inBig(5)))],
    codes: { 'row-without-block': 1 },
  },
  'row-planted-in-unknown-chain': {
    what: 'A row of a chain that is not there.',
    patch: [insertRow(planted(idOf(BIG, 0) + 1n, { chain: '0'.repeat(32), block: 1, index: 0 }))],
    codes: { 'row-without-block': 1 },
  },
  'row-planted-without-block': {
    what: 'A row without a block, from after signing began.',
    patch: [insertRow(planted(idOf(BIG, 0) + 1n, { chain: null, block: null, index: null }))],
    codes: { 'row-unsigned': 1 },
  },
  'row-with-half-a-place': {
    what: 'The index of a row is removed: it is there, and in no block.',
    patch: [row(rowAt(BIG, 5), { block_index: null })],
    codes: { 'row-misplaced': 1, 'row-missing': 1 },
  },
  'rows-exchanged': {
    what: 'Two rows have exchanged their indexes.',
    patch: [row(rowAt(BIG, 7), { block_index: 90 }), row(rowAt(BIG, 90), { block_index: 7 })],
    codes: { 'row-misplaced': 2 },
  },
  'row-changed-block-deleted': {
    what: 'A row is changed, and its block deleted.',
    patch: [row(rowAt(3, 1), { outcome: 'denied' }), dropBlocks(blockAt(3))],
    codes: { 'row-changed': 1, 'row-without-block': 3, 'block-missing': 1 },
  },
  'block-ids-empty': {
    what: 'The smallest id of a block is removed: no row is accused.',
    patch: [block(blockAt(BIG), { min_id: null })],
    codes: { 'block-malformed': 1 },
  },
  'block-ids-swapped': {
    what: 'Smallest and largest id are exchanged.',
    patch: [block(blockAt(BIG), { min_id: String(idOf(BIG, 194)), max_id: String(idOf(BIG, 0)) })],
    codes: { 'block-malformed': 1 },
  },
  'block-kind-unknown': {
    what: 'The kind of a block is unknown.',
    patch: [block(blockAt(BIG), { kind: 'bogus' })],
    codes: { 'block-malformed': 1 },
  },
  'block-ids-not-of-its-rows': {
    what: 'Signed ids that are not those of the rows, with the stolen key. What follows is cut off.',
    patch: [...cutAfter(BIG), signedAgain(BIG, { ids: { first: 1n, last: 9_000_000_000_000_000_000n } })],
    codes: { 'block-root': 1 },
  },
  'block-ids-negative': {
    what: 'A negative id.',
    patch: [block(blockAt(BIG), { min_id: '-1020' })],
    codes: { 'block-malformed': 1 },
  },
  'block-time-too-large': {
    what: 'A number of 2^53.',
    patch: [block(blockAt(BIG), { block_time: '9007199254740992' })],
    codes: { 'block-malformed': 1 },
  },
  'block-number-negative': {
    what: 'A block with the number -1: it is there once.',
    patch: [
      {
        table: 'blocks',
        insert: [
          { ...HONEST.blocks.find((b) => b['chain_id'] === chain && b['block_no'] === '5'), block_no: '-1' },
        ],
      },
    ],
    codes: { 'block-malformed': 1 },
  },
  'block-deleted': {
    what: 'A block is deleted in the middle, with its rows.',
    patch: [dropBlocks(blockAt(3)), dropRows({ chain_id: chain, block_no: '3' })],
    codes: { 'block-missing': 1 },
  },
  'block-genesis-deleted': {
    what: 'Genesis is deleted: said once, and nothing of the chain is proven.',
    patch: [dropBlocks(blockAt(0))],
    codes: { 'block-missing': 1 },
  },
  'block-rotate-deleted': {
    what: 'The rotation is deleted: the key of what follows is not known.',
    patch: [dropBlocks(blockAt(7))],
    codes: { 'block-missing': 1, 'block-signature': 1 },
  },
  'block-time-changed': {
    what: 'The time of a block is changed.',
    patch: [block(blockAt(3), { block_time: '1' })],
    codes: { 'block-signature': 1 },
  },
  'block-after-unsigned': {
    what: 'A block that nobody signed is not believed, and the next is not held against it.',
    patch: [block(blockAt(3), { row_total: '700', prev_hash: '00'.repeat(32) })],
    codes: { 'block-signature': 1 },
  },
  'block-repeated': {
    what: 'A block is there twice.',
    patch: [
      {
        table: 'blocks',
        insert: HONEST.blocks.filter((b) => b['chain_id'] === chain && b['block_no'] === '5'),
      },
    ],
    codes: { 'block-repeated': 1 },
  },
  'block-prev': {
    what: 'A block names another one before it, with the stolen key.',
    patch: [...cutAfter(6), signedAgain(6, { prev: Buffer.alloc(32, 1) })],
    codes: { 'block-prev': 1 },
  },
  'block-counters': {
    what: 'Rows, losses and time do not follow, with the stolen key.',
    patch: [...cutAfter(5), signedAgain(5, { rowsTotal: 700, time: 1 })],
    codes: { 'block-counters': 1 },
  },
  'block-after-close': {
    what: 'A copy of the last block follows it.',
    patch: [
      {
        table: 'blocks',
        insert: [
          { ...HONEST.blocks.find((b) => b['chain_id'] === chain && b['block_no'] === '9'), block_no: '10' },
        ],
      },
    ],
    codes: { 'block-after-close': 1, 'block-signature': 1 },
  },
  'signatures-empty': {
    what: 'No signature line.',
    patch: [block(blockAt(3), { signatures: '' })],
    codes: { 'block-signature': 1 },
  },
  'signatures-junk': {
    what: 'A line that is none.',
    patch: [block(blockAt(3), { signatures: `${signatures(3)}junk\n` })],
    codes: { 'block-signature': 1 },
  },
  'signatures-hyphen': {
    what: 'A hyphen for the dash.',
    patch: [block(blockAt(3), { signatures: signatures(3).replace('—', '-') })],
    codes: { 'block-signature': 1 },
  },
  'signatures-no-padding': {
    what: 'Base64 without padding.',
    patch: [block(blockAt(3), { signatures: signatures(3).replaceAll('=', '') })],
    codes: { 'block-signature': 1 },
  },
  'signatures-bad-after-good': {
    what: 'A bad line of the known key after a good one.',
    patch: [block(blockAt(3), { signatures: signatures(3) + badLine })],
    codes: { 'block-signature': 1 },
  },
  'signatures-bad-before-good': {
    what: 'A bad line of the known key before a good one.',
    patch: [block(blockAt(3), { signatures: badLine + signatures(3) })],
    codes: { 'block-signature': 1 },
  },
  'signatures-unknown-added': {
    what: 'A line of a key of the same name, that nobody knows: nothing is found.',
    patch: [
      block(blockAt(3), {
        signatures: signatureLine(stranger, WALLET.blocks[3]?.text ?? '') + signatures(3),
      }),
    ],
    codes: {},
  },
  'signatures-of-a-stranger': {
    what: 'Another key of the same name has signed.',
    patch: [block(blockAt(3), { signatures: signatureLine(stranger, WALLET.blocks[3]?.text ?? '') })],
    codes: { 'block-signature': 1 },
  },
  'signatures-of-old-blocks': {
    what: 'The lines of old blocks are replaced, by ones of the right key that sign another text: no row loses its proof.',
    patch: [1, 2, 3, 4, 5].map((number) => block(blockAt(number), { signatures: badLine })),
    codes: { 'block-signature': 5 },
  },
  'gap-rewritten-before': {
    what: 'A block is deleted, and a row from before it changed, with digest, root and all hashes up to the gap.',
    patch: rewrittenBefore(6),
    codes: { 'block-signature': 3, 'block-missing': 1 },
  },
  'chain-deleted': {
    what: 'A chain that another one continues is deleted.',
    patch: [dropBlocks({ chain_id: UNICODE_CHAIN.id }), dropRows({ chain_id: UNICODE_CHAIN.id })],
    codes: { 'chain-missing': 1 },
  },
  'chain-deleted-silently': {
    what: 'A chain that none continues is deleted: only anchors tell.',
    patch: [dropBlocks({ chain_id: chain }), dropRows({ chain_id: chain })],
    codes: {},
  },
  'chain-cut': { what: 'The end of a chain is cut off: only anchors tell.', patch: cutAfter(5), codes: {} },
  'chain-cut-before-continued': {
    what: 'A chain is cut off before the block from which another continues it.',
    patch: [2, 3].flatMap((n) => [
      dropBlocks(blockAt(n, UNICODE_CHAIN.id)),
      ...(n === 3 ? [dropRows({ chain_id: UNICODE_CHAIN.id, block_no: '3' })] : []),
    ]),
    codes: { 'block-missing': 1 },
  },
  'chain-unenrolled': {
    what: 'The signature of the enrolment key is removed from genesis.',
    patch: [block(blockAt(0), { signatures: signatures(0).replace(/\n[^\n]+\n$/, '\n') })],
    codes: { 'chain-unenrolled': 1 },
  },
  'chain-enrolled-by-another-key': {
    what: 'Two keys of one name: with the second alone, the chain that the first enrolled is not.',
    patch: [],
    trust: [ORIGIN, SECOND_KEY],
    codes: { 'chain-unenrolled': 1 },
  },
  'chain-id': {
    what: 'Genesis names another key: the id is not made from it.',
    patch: [
      block(blockAt(0), {
        ...(() => {
          const original = WALLET.blocks[0]
          if (original === undefined) throw new Error('no genesis')
          const genesis = { ...original.block, writer: stranger.verifierKey }
          return blockJson(signBlock(genesis, [stranger, OPERATORS[0]]).columns)
        })(),
      }),
      ...cutAfter(0),
    ],
    codes: { 'chain-id': 1 },
  },
  'two-logs': {
    what: 'A chain of another log is there, and the trust file names the log.',
    patch: [
      { table: 'rows', insert: otherTables.rows },
      { table: 'blocks', insert: otherTables.blocks },
    ],
    codes: { 'chain-origin': 3, 'chain-unenrolled': 1 },
  },
  'two-logs-both-trusted': {
    what: 'A chain of another log is there, and the trust file names no log, and the keys of both.',
    patch: [
      { table: 'rows', insert: otherTables.rows },
      { table: 'blocks', insert: otherTables.blocks },
    ],
    trust: [...KEYS, `enrolment ${OTHER_OPERATOR.verifierKey}`],
    codes: {},
  },
  'chain-enrolled-by-another-log': {
    what: 'A genesis of this log, signed by the enrolment key of another one that the trust file has.',
    patch: [
      block(blockAt(0), {
        signatures:
          signatures(0).replace(/\n[^\n]+\n$/, '\n') +
          signatureLine(OTHER_OPERATOR, WALLET.blocks[0]?.text ?? ''),
      }),
    ],
    trust: [...KEYS, `enrolment ${OTHER_OPERATOR.verifierKey}`],
    codes: { 'chain-unenrolled': 1 },
  },
  'genesis-lone-surrogate': {
    what: 'A lone surrogate in the name of the service.',
    patch: [
      block(blockAt(0), { body: (WALLET.blocks[0]?.columns.body ?? '').replace('"wallet"', '"x\\ud83d"') }),
    ],
    codes: { 'block-malformed': 1 },
  },
  'unsigned-none': {
    what: 'No row may be without a block.',
    patch: [],
    trust: [...TRUST.slice(0, 3), 'unsigned none'],
    codes: { 'row-unsigned': BEFORE.length },
  },
  'unsigned-any': {
    what: 'Rows without a block are only counted.',
    patch: [insertRow(planted(idOf(BIG, 0) + 1n, { chain: null, block: null, index: null }))],
    trust: TRUST.slice(0, 3),
    codes: {},
  },
  'unsigned-changed': {
    what: 'A row without a block is changed, and had a digest.',
    patch: [row({ audit_id: String(BEFORE[1]?.event.auditId) }, { outcome: 'denied' })],
    codes: { 'row-changed': 1 },
  },
  'retired-to-first': retiredTo(0, 'at the first row of a block'),
  'retired-to-second': retiredTo(1, 'at its second row'),
  'retired-to-middle': retiredTo(100, 'in its middle'),
  'retired-to-last': retiredTo(194, 'at its last row'),
  'retired-unsaid': {
    what: 'Rows are retired, and the trust file does not say so.',
    patch: rowsBelow(idOf(BIG, 100)),
    codes: { 'row-missing': 4 },
  },
  'retired-too-far': {
    what: 'Rows are deleted from above the id that the trust file names, after one that is there.',
    patch: [...rowsBelow(idOf(BIG, 100)), dropRows(rowAt(BIG, 120))],
    trust: [...TRUST, `rows-from ${idOf(BIG, 100)}`],
    codes: { 'row-missing': 1 },
  },
  'retired-kept': {
    what: 'Rows that the trust file takes for retired are there: they are verified like all others.',
    patch: [],
    trust: [...TRUST, `rows-from ${idOf(BIG, 100)}`],
    codes: {},
  },
  ...TRAIL_CASES,
}

export const tablesOf = ({ patch }: Case): ReturnType<typeof patched> => patched(HONEST, patch)

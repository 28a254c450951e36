import { blockHash, blockText, rowLeaf } from '../../../src/chain/block.js'
import { merkleRoot } from '../../../src/chain/merkle.js'
import { type SignedBlock, signBlock } from '../../../src/chain/signed-block.js'
import { eventDigest } from '../../../src/event/digest.js'
import type { FindingCode } from '../../../src/verify/finding.js'
import { eventOf, signerOf, TRAIL } from './builder.js'
import { HONEST, LOG, OPERATORS, OTHER, signatureLine, WALLET } from './honest.js'
import { blockJson, type Json, type Patch, rowJson } from './tables.js'

// What is done to the honest trail, and who may believe it afterwards.

export type Codes = Readonly<Partial<Record<FindingCode, number>>>

/** An attack, or something that looks like one. */
export interface Case {
  readonly what: string
  readonly patch: readonly Patch[]
  /** Statements of the trust file. Not given: those of the honest trail. */
  readonly trust?: readonly string[]
  readonly codes: Codes
}

export const TRUST = [
  `origin ${LOG}`,
  ...OPERATORS.map(({ verifierKey }) => `enrolment ${verifierKey}`),
  `unsigned before ${String(WALLET.rows[0]?.event.auditId)}`,
  `trail ${TRAIL}`,
]
export const [ORIGIN = '', FIRST_KEY = '', SECOND_KEY = ''] = TRUST
export const KEYS = [FIRST_KEY, SECOND_KEY]

export const chain = WALLET.id
/** Of 195 rows. */
export const BIG = 4
export const idOf = (block: number, index: number): bigint =>
  WALLET.rows.find((row) => row.block === block && row.index === index)?.event.auditId ?? 0n
export const rowAt = (block: number, index: number): Json => ({ audit_id: String(idOf(block, index)) })
export const blockAt = (block: number, of = chain): Json => ({ chain_id: of, block_no: String(block) })
export const row = (where: Json, set: Json): Patch => ({ table: 'rows', where, set })
export const block = (where: Json, set: Json): Patch => ({ table: 'blocks', where, set })
export const dropRows = (where: Json): Patch => ({ table: 'rows', where, delete: true })
export const dropBlocks = (where: Json): Patch => ({ table: 'blocks', where, delete: true })
export const insertRow = (columns: Json): Patch => ({ table: 'rows', insert: [columns] })

export function planted(
  auditId: bigint,
  place: { chain: string | null; block: number | null; index: number | null },
): Json {
  const event = eventOf({ auditId, occurredAt: 1_795_651_200_000_000, credential: 'planted' })
  return rowJson({ event, digest: eventDigest(event), ...place })
}

export const inBig = (index: number): { chain: string; block: number; index: number } => ({
  chain,
  block: BIG,
  index,
})

/** Signs a block of the wallet again, with its own key: what somebody can do who has stolen it. */
export function signedAgain(number: number, changes: Partial<SignedBlock['block']>): Patch {
  const original = WALLET.blocks[number]
  if (original === undefined) throw new Error('no such block')
  const key = number > 7 ? WALLET.signer : signerOf('wallet', WALLET.signer.name)
  const { columns } = signBlock({ ...original.block, ...changes }, [key])
  const { signatures, ...values } = blockJson(columns)
  return block(blockAt(number), { ...values, signatures: signatures ?? '' })
}

/** The wallet, cut off after this block. */
export const cutAfter = (number: number): readonly Patch[] =>
  WALLET.blocks
    .slice(number + 1)
    .flatMap(({ block: { number: later, rows } }) => [
      dropBlocks(blockAt(later)),
      ...(rows > 0 ? [dropRows({ chain_id: chain, block_no: String(later) })] : []),
    ])

export const changedEvent = eventOf({
  ...WALLET.rows.find(({ block: b, index }) => b === 3 && index === 1)?.event,
  outcome: 'denied',
})
export const otherTables = {
  rows: OTHER.rows.map(rowJson),
  blocks: OTHER.blocks.map(({ columns }) => blockJson(columns)),
}
export const signatures = (number: number): string =>
  String(
    HONEST.blocks.find((b) => b['chain_id'] === chain && b['block_no'] === String(number))?.['signatures'],
  )
export const stranger = signerOf('stranger', WALLET.signer.name)
const firstKey = signerOf('wallet', WALLET.signer.name)
export const badLine = signatureLine(firstKey, 'another text\n')

export const rowsBelow = (limit: bigint): readonly Patch[] =>
  HONEST.rows.flatMap((line) =>
    BigInt(line['audit_id'] ?? 0) < limit ? [dropRows({ audit_id: line['audit_id'] ?? '' })] : [],
  )

export const retiredTo = (index: number, where: string): Case => ({
  what: `Rows are retired up to an id ${where}, and the trust file says so.`,
  patch: rowsBelow(idOf(BIG, index)),
  trust: [...TRUST, `rows-from ${idOf(BIG, index)}`],
  codes: {},
})

/** Block 3 with another row, and all up to this one linked to it; this one is gone. What can be done without a key. */
export function rewrittenBefore(gap: number): readonly Patch[] {
  const rows = WALLET.rows.filter(({ block: number }) => number === 3)
  const leaves = rows.map(({ event, index }, i) =>
    rowLeaf(chain, 3, i, eventDigest(index === 1 ? changedEvent : event)),
  )
  const patches: Patch[] = []
  let prev: Uint8Array | undefined
  for (const { block: original } of WALLET.blocks.slice(3, gap)) {
    const changed = prev === undefined ? { ...original, root: merkleRoot(leaves) } : { ...original, prev }
    prev = blockHash(blockText(changed))
    const { root, prev_hash } = blockJson(signBlock(changed, [stranger]).columns)
    patches.push(block(blockAt(original.number), { root: root ?? '', prev_hash: prev_hash ?? '' }))
  }
  const digest = eventDigest(changedEvent).toString('hex')
  return [
    ...patches,
    row(rowAt(3, 1), { outcome: 'denied', event_digest: digest }),
    dropBlocks(blockAt(gap)),
    dropRows({ chain_id: chain, block_no: String(gap) }),
  ]
}

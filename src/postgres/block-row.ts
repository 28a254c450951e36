import type { BlockColumns } from '../chain/block-columns.js'

/** A block as it is read, in the order of `newest-blocks.sql`; 64-bit integers are text. */
export type BlockRow = readonly [
  chainId: string,
  blockNo: string,
  log: string,
  kind: string,
  prevHash: Buffer,
  minId: string | null,
  maxId: string | null,
  root: Buffer,
  rowCount: number,
  rowTotal: string,
  lostTotal: string,
  blockTime: string,
  body: string,
  signatures: string,
]

/** The values of the statements that insert a block, in the order of its columns. */
export function blockValues(block: BlockColumns): (string | number | null)[] {
  return [
    block.chainId,
    block.blockNo.toString(),
    block.log,
    block.kind,
    bytea(block.prevHash),
    block.minId?.toString() ?? null,
    block.maxId?.toString() ?? null,
    bytea(block.root),
    block.rowCount,
    block.rowTotal.toString(),
    block.lostTotal.toString(),
    block.blockTime.toString(),
    block.body,
    block.signatures,
  ]
}

export function blockOfRow(row: BlockRow): BlockColumns {
  const [
    chainId,
    blockNo,
    log,
    kind,
    prevHash,
    minId,
    maxId,
    root,
    rowCount,
    rowTotal,
    lostTotal,
    time,
    body,
    signatures,
  ] = row
  return {
    chainId: chainId.replaceAll('-', ''),
    blockNo: BigInt(blockNo),
    log,
    kind,
    prevHash,
    minId: minId === null ? null : BigInt(minId),
    maxId: maxId === null ? null : BigInt(maxId),
    root,
    rowCount,
    rowTotal: BigInt(rowTotal),
    lostTotal: BigInt(lostTotal),
    blockTime: BigInt(time),
    body,
    signatures,
  }
}

function bytea(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`
}

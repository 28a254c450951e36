import { type Block, BLOCK_FORMAT, bodyText } from './block.js'
import { toBase64 } from './hash.js'

/** A row of the block table. What is read may be anything that an attacker could put there. */
export interface BlockColumns {
  /** 32 hex digits. */
  readonly chainId: string
  readonly blockNo: bigint
  readonly log: string
  readonly kind: string
  readonly prevHash: Uint8Array
  readonly minId: bigint | null
  readonly maxId: bigint | null
  readonly root: Uint8Array
  readonly rowCount: number
  readonly rowTotal: bigint
  readonly lostTotal: bigint
  /** µs since the Unix epoch. */
  readonly blockTime: bigint
  /** The lines after `time`. */
  readonly body: string
  /** The signature lines. */
  readonly signatures: string
}

export function blockColumns(block: Block, signatures: string): BlockColumns {
  return {
    chainId: block.chain,
    blockNo: BigInt(block.number),
    log: block.log,
    kind: block.kind,
    prevHash: block.prev,
    minId: block.ids?.first ?? null,
    maxId: block.ids?.last ?? null,
    root: block.root,
    rowCount: block.rows,
    rowTotal: BigInt(block.rowsTotal),
    lostTotal: BigInt(block.lost),
    blockTime: BigInt(block.time),
    body: bodyText(block),
    signatures,
  }
}

/** The text that these columns stand for. Whether it is a block's is for `parseBlock` to say. */
export function textOfColumns(columns: BlockColumns): string {
  const { log, chainId, blockNo, kind, prevHash, minId, maxId, rowCount, rowTotal, lostTotal, root } = columns
  return (
    `${BLOCK_FORMAT}\nlog ${log}\nchain ${chainId}\nblock ${blockNo}\nkind ${kind}\nprev ${toBase64(prevHash)}\n` +
    `ids ${minId ?? '-'} ${maxId ?? '-'}\nrows ${rowCount} ${rowTotal}\nlost ${lostTotal}\nroot ${toBase64(root)}\n` +
    `time ${columns.blockTime}\n${columns.body}`
  )
}

/** The signed note that these columns stand for. */
export function noteOfColumns(columns: BlockColumns): string {
  return `${textOfColumns(columns)}\n${columns.signatures}`
}

/** Whether they are the same block with the same signatures. */
export function sameColumns(a: BlockColumns, b: BlockColumns): boolean {
  return a.signatures === b.signatures && textOfColumns(a) === textOfColumns(b)
}

import type { BlockColumns } from '../chain/block-columns.js'

const COLUMNS = [
  'chain_id',
  'block_no',
  'log',
  'kind',
  'prev_hash',
  'min_id',
  'max_id',
  'root',
  'row_count',
  'row_total',
  'lost_total',
  'block_time',
  'body',
  'signatures',
] as const

/** How many columns make a block. */
export const BLOCK_COLUMNS = COLUMNS.length

/**
 * The SELECT list of a block, for the placeholder of a statement; {@link blockOfRow} and `readBlock` (of COPY's binary
 * format) read what it gives.
 *
 * @param table its name or alias in the statement
 */
export function blockSelect(table: string): string {
  return COLUMNS.map((column) => `${table}.${column}`).join(', ')
}

/** Longest value of a column that is read, in bytes. A block is a note, and a note has at most 1,000,000. */
const LONGEST_TEXT = 1_000_000
/** Of a name, or a hash. */
const LONGEST_NAME = 1_000

const BOUNDS: Partial<Record<(typeof COLUMNS)[number], { most: number; instead: string }>> = {
  log: { most: LONGEST_NAME, instead: 'chr(1)' },
  kind: { most: LONGEST_NAME, instead: 'chr(1)' },
  prev_hash: { most: LONGEST_NAME, instead: `''::bytea` },
  root: { most: LONGEST_NAME, instead: `''::bytea` },
  body: { most: LONGEST_TEXT, instead: 'chr(1)' },
  signatures: { most: LONGEST_TEXT, instead: 'chr(1)' },
}

/**
 * {@link blockSelect} for blocks that anybody may have written: what is too long to be a block's comes as something that is
 * no block's either, so that nobody decides how much memory a reader needs.
 */
export function boundedBlockSelect(table: string): string {
  return COLUMNS.map((column) => {
    const bound = BOUNDS[column]
    const name = `${table}.${column}`
    if (bound === undefined) return name
    return `case when octet_length(${name}) > ${bound.most} then ${bound.instead} else ${name} end as ${column}`
  }).join(', ')
}

/** The bytes of a block's texts and hashes: SQL. */
export function blockBytes(table: string): string {
  return Object.keys(BOUNDS)
    .map((column) => `octet_length(${table}.${column})`)
    .join(' + ')
}

/** What a session of ours reads for {@link blockSelect}: 64-bit integers are text. */
type BlockRow = readonly [
  chainId: string | null,
  blockNo: string | null,
  log: string | null,
  kind: string | null,
  prevHash: Buffer | null,
  minId: string | null,
  maxId: string | null,
  root: Buffer | null,
  rowCount: number | null,
  rowTotal: string | null,
  lostTotal: string | null,
  blockTime: string | null,
  body: string | null,
  signatures: string | null,
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

/**
 * The block of a row that was read as an array. NULL, where a column of ours cannot be NULL, is an attacker's: it reads
 * as nothing.
 *
 * @param from the place of its first column
 */
export function blockOfRow(row: readonly unknown[], from = 0): BlockColumns {
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
  ] = row.slice(from, from + BLOCK_COLUMNS) as unknown as BlockRow
  return {
    chainId: chainId?.replaceAll('-', '') ?? '',
    blockNo: BigInt(blockNo ?? -1),
    log: log ?? '',
    kind: kind ?? '',
    prevHash: prevHash ?? NO_BYTES,
    minId: minId === null ? null : BigInt(minId),
    maxId: maxId === null ? null : BigInt(maxId),
    root: root ?? NO_BYTES,
    rowCount: rowCount ?? -1,
    rowTotal: BigInt(rowTotal ?? -1),
    lostTotal: BigInt(lostTotal ?? -1),
    blockTime: BigInt(time ?? -1),
    body: body ?? '',
    signatures: signatures ?? '',
  }
}

const NO_BYTES = Buffer.alloc(0)

function bytea(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`
}

import type { AuditError } from '../errors.js'
import type { BlockColumns } from '../chain/block-columns.js'
import { JSON } from '../host/globals.js'
import { jsonString } from '../host/json-text.js'
import type { ChainStart } from '../verify/chain-start.js'
import type { StoredLeaf, RowBlock } from '../verify/source.js'
import { toHex } from '../chain/hash.js'
import { archiveError } from './archive-store.js'

/** A block as an archive has it: its columns, of which the signed note is made. 64-bit integers are strings of digits. */
export function blockLine(block: BlockColumns): string {
  const { chainId, blockNo, log, kind, prevHash, minId, maxId, root, rowCount, rowTotal } = block
  const ids = minId === null || maxId === null ? '' : `"min_id":"${minId}","max_id":"${maxId}",`
  return (
    `{"chain_id":"${chainId}","block_no":"${blockNo}","log":${jsonString(log)},"kind":${jsonString(kind)},` +
    `"prev_hash":"${toHex(prevHash)}",${ids}"root":"${toHex(root)}","row_count":${rowCount},"row_total":"${rowTotal}",` +
    `"lost_total":"${block.lostTotal}","block_time":"${block.blockTime}","body":${jsonString(block.body)},` +
    `"signatures":${jsonString(block.signatures)}}`
  )
}

/** @throws AuditError `AUDIT_ARCHIVE` for what is not the line of a block */
export function blockOfLine(line: string): BlockColumns {
  const fields = new Fields(line, 'a block')
  return {
    chainId: fields.hex('chain_id').toString('hex'),
    blockNo: fields.integer('block_no'),
    log: fields.text('log'),
    kind: fields.text('kind'),
    prevHash: fields.hex('prev_hash'),
    minId: fields.has('min_id') ? fields.integer('min_id') : null,
    maxId: fields.has('max_id') ? fields.integer('max_id') : null,
    root: fields.hex('root'),
    rowCount: fields.number('row_count'),
    rowTotal: fields.integer('row_total'),
    lostTotal: fields.integer('lost_total'),
    blockTime: fields.integer('block_time'),
    body: fields.text('body'),
    signatures: fields.text('signatures'),
  }
}

/** A block as far as its rows need it: archives have these beside the blocks, in the order of their smallest ids. */
export function rowBlockLine({ chain, block, minId, maxId, rowCount, root }: RowBlock): string {
  return `{"chain_id":"${chain}","block_no":${block},"min_id":"${minId}","max_id":"${maxId}","row_count":${rowCount},"root":"${toHex(root)}"}`
}

/** @throws AuditError `AUDIT_ARCHIVE` */
export function rowBlockOfLine(line: string): RowBlock {
  const fields = new Fields(line, 'a block')
  return {
    chain: fields.hex('chain_id').toString('hex'),
    block: fields.number('block_no'),
    minId: fields.integer('min_id'),
    maxId: fields.integer('max_id'),
    rowCount: fields.number('row_count'),
    root: fields.hex('root'),
  }
}

export function leafLine({ chain, block, index, digest, partition }: StoredLeaf): string {
  return `{"chain_id":"${chain}","block_no":${block},"block_index":${index},"digest":"${toHex(digest)}","partition":${jsonString(partition)}}`
}

/** @throws AuditError `AUDIT_ARCHIVE` */
export function leafOfLine(line: string): StoredLeaf {
  const fields = new Fields(line, 'a leaf digest')
  return {
    chain: fields.hex('chain_id').toString('hex'),
    block: fields.number('block_no'),
    index: fields.number('block_index'),
    digest: fields.hex('digest'),
    partition: fields.text('partition'),
  }
}

/** Where a chain began when a place was begun. */
export function startLine({
  chain,
  block,
  hash,
  keyBlock,
  keyHash,
  rows,
  lost,
  time,
  lastId,
}: ChainStart): string {
  const id = lastId === undefined ? '' : `,"last_id":"${lastId}"`
  return (
    `{"chain_id":"${chain}","block_no":${block},"hash":"${toHex(hash)}","key_block":${keyBlock},"key_hash":"${toHex(keyHash)}",` +
    `"row_total":${rows},"lost_total":${lost},"block_time":${time}${id}}`
  )
}

/** @throws AuditError `AUDIT_ARCHIVE` */
export function startOfLine(line: string): ChainStart {
  const fields = new Fields(line, 'the start of a chain')
  return {
    chain: fields.hex('chain_id').toString('hex'),
    block: fields.number('block_no'),
    hash: fields.hex('hash'),
    keyBlock: fields.number('key_block'),
    keyHash: fields.hex('key_hash'),
    rows: fields.number('row_total'),
    lost: fields.number('lost_total'),
    time: fields.number('block_time'),
    lastId: fields.has('last_id') ? fields.integer('last_id') : undefined,
  }
}

/** How far the blocks of a chain are archived. */
export interface ArchivedChain {
  /** 32 hex digits. */
  readonly chain: string
  readonly lastBlock: bigint
  /** SHA-256 of the text of that block, hex. */
  readonly hash: string
}

export function chainLine({ chain, lastBlock, hash }: ArchivedChain): string {
  return `{"chain_id":"${chain}","last_block":"${lastBlock}","last_block_hash":"${hash}"}`
}

/** @throws AuditError `AUDIT_ARCHIVE` */
export function chainOfLine(line: string): ArchivedChain {
  const fields = new Fields(line, 'a chain')
  return {
    chain: fields.hex('chain_id').toString('hex'),
    lastBlock: fields.integer('last_block'),
    hash: fields.hex('last_block_hash').toString('hex'),
  }
}

/** Fields of a line of JSON, one by one: each is of its kind, or the line is not what it should be. */
class Fields {
  readonly #values: Readonly<Record<string, unknown>>
  readonly #what: string

  constructor(line: string, what: string) {
    this.#what = what
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      throw this.#malformed('it is not JSON')
    }
    if (typeof value !== 'object' || value === null) throw this.#malformed('it is not an object')
    this.#values = value as Readonly<Record<string, unknown>>
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name)
  }

  text(name: string): string {
    const value = this.#values[name]
    if (typeof value === 'string') return value
    throw this.#malformed(`${name} is not text`)
  }

  integer(name: string): bigint {
    const text = this.text(name)
    if (/^-?\d{1,19}$/.test(text)) return BigInt(text)
    throw this.#malformed(`${name} is not an integer`)
  }

  number(name: string): number {
    const value = this.#values[name]
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value
    throw this.#malformed(`${name} is not a number`)
  }

  hex(name: string): Buffer {
    const text = this.text(name)
    if (/^([0-9a-f]{2})*$/.test(text)) return Buffer.from(text, 'hex')
    throw this.#malformed(`${name} is not hex`)
  }

  #malformed(problem: string): AuditError {
    return archiveError(`not the line of ${this.#what}: ${problem}`)
  }
}

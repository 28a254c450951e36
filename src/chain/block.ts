import { EMPTY_ROOT } from './merkle.js'
import { HASH_BYTES, toBase64 } from './hash.js'
import { sha256 } from '../event/sha256.js'
import { jsonString } from '../host/json-text.js'

export type BlockKind = 'genesis' | 'data' | 'idle' | 'rotate' | 'close'

/** First line of every block. The second begins with `log `, so that no block can be read as a C2SP checkpoint. */
export const BLOCK_FORMAT = 'otel-audit/block/v1'
/** After so many blocks another key signs: one that is stolen today cannot rewrite what is older. */
export const BLOCKS_PER_KEY = 1000
/** What a genesis block has for the hash of the block before it. */
export const NO_PREVIOUS: Uint8Array = new Uint8Array(HASH_BYTES)

/** One block of a writer's chain: what is signed. */
export interface Block {
  /** The log's name, which begins the names of its keys. */
  readonly log: string
  /** 32 lower-case hex digits, made from the key of the genesis block: {@link chainIdOf}. */
  readonly chain: string
  /** From 0, without a gap. */
  readonly number: number
  readonly kind: BlockKind
  /** SHA-256 of the text of the block before it, 32 bytes; {@link NO_PREVIOUS} in genesis. */
  readonly prev: Uint8Array
  /** Smallest and largest audit id of its rows. Undefined without rows. */
  readonly ids: BlockIds | undefined
  readonly rows: number
  /** Rows of the chain, including this block. */
  readonly rowsTotal: number
  /** Events that the writer has lost so far. */
  readonly lost: number
  /** Merkle tree hash over the leaves of its rows, 32 bytes. */
  readonly root: Uint8Array
  /** µs since the Unix epoch, by the writer's clock, never less than that of the block before it. */
  readonly time: number
  /** Verifier key of the key that signs from here on. Genesis and rotate. */
  readonly writer: string | undefined
  /** Who writes. Genesis only. */
  readonly opening: ChainOpening | undefined
}

export interface BlockIds {
  readonly first: bigint
  readonly last: bigint
}

/** What a genesis block says of its writer. */
export interface ChainOpening {
  /** Empty when it is not known. Without control characters and lone surrogates. */
  readonly service: string
  /** Likewise. */
  readonly instance: string
  /** Of this library. */
  readonly version: string
  /** The trail that it is written to: 32 lower-case hex digits. */
  readonly trail: string
  /** The server that it began on, as `pg_control_system` has it. Undefined where the writer may not ask. */
  readonly system: string | undefined
  /** The chain that the same writer had to leave, and the last block of it that it knows to be stored. */
  readonly continues: ChainPosition | undefined
}

export interface ChainPosition {
  readonly chain: string
  readonly block: number
}

/** What blocks without rows have in common. */
export const WITHOUT_ROWS = Object.freeze({ ids: undefined, rows: 0, root: EMPTY_ROOT })

/** The text that is signed: lines ended by a newline, numbers in decimal without sign or leading zeros. */
export function blockText(block: Block): string {
  return headText(block) + bodyText(block)
}

/** The lines that every block has. */
function headText(block: Block): string {
  const { log, chain, number, kind, prev, ids, rows, rowsTotal, lost, root, time } = block
  const range = ids === undefined ? '- -' : `${ids.first} ${ids.last}`
  return (
    `${BLOCK_FORMAT}\nlog ${log}\nchain ${chain}\nblock ${number}\nkind ${kind}\nprev ${toBase64(prev)}\n` +
    `ids ${range}\nrows ${rows} ${rowsTotal}\nlost ${lost}\nroot ${toBase64(root)}\ntime ${time}\n`
  )
}

/**
 * Whether the key that a block has brought in may not sign this one any more: another one had to come before.
 *
 * @param keyFrom number of the block that brought it in
 */
export function isKeyOverdue({ kind, number }: Pick<Block, 'kind' | 'number'>, keyFrom: number): boolean {
  const blocks = number - keyFrom
  return kind === 'rotate' ? blocks > BLOCKS_PER_KEY : blocks >= BLOCKS_PER_KEY
}

/** The lines that only genesis and rotate have. */
export function bodyText({ writer, opening }: Pick<Block, 'writer' | 'opening'>): string {
  if (writer === undefined) return ''
  if (opening === undefined) return `writer ${writer}\n`
  const { service, instance, version, trail, system = '-', continues } = opening
  const predecessor = continues === undefined ? '' : `continues ${continues.chain} ${continues.block}\n`
  return (
    `writer ${writer}\nservice ${jsonString(service)}\ninstance ${jsonString(instance)}\n` +
    `version ${version}\ntrail ${trail}\nsystem ${system}\n${predecessor}`
  )
}

/** Whether a text is written as the identity of a trail is: 128 bits in hex. */
export function isTrailId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text)
}

/** Whether a text is written as the identifier of a server is: a number of 64 bits in decimal. */
export function isSystemId(text: string): boolean {
  return /^[1-9]\d{0,19}$/.test(text)
}

/** What the next block has as `prev`: SHA-256 of the text, without the signatures. */
export function blockHash(text: string): Buffer {
  return sha256(text)
}

/** The name of the keys that sign a chain. */
export function chainKeyName(log: string, chain: string): string {
  return `${log}/${chain}`
}

const CHAIN_DOMAIN = Buffer.from('otel-audit/chain/v1\n')

/**
 * A chain's id: the first 16 bytes of `SHA-256("otel-audit/chain/v1\n" ‖ public key)`, in hex. Nobody can sign the chain
 * again with a key of his own, under the same id.
 *
 * @param publicKey of the genesis block, Ed25519, 32 bytes
 */
export function chainIdOf(publicKey: Uint8Array): string {
  return sha256(Buffer.concat([CHAIN_DOMAIN, publicKey])).toString('hex', 0, 16)
}

const LEAF_DOMAIN = Buffer.from('\0otel-audit/row/v1\n', 'latin1')
const CHAIN_AT = LEAF_DOMAIN.length
const BLOCK_AT = CHAIN_AT + 16
const INDEX_AT = BLOCK_AT + 8
const DIGEST_AT = INDEX_AT + 4

// Reused: its bytes are hashed before anybody else writes to it. Chain and block stay while they are the same.
const leaf = Buffer.alloc(DIGEST_AT + HASH_BYTES)
LEAF_DOMAIN.copy(leaf)
let leafChain = ''
let leafBlock = -1

/**
 * The leaf hash of a row: `SHA-256(0x00 ‖ "otel-audit/row/v1\n" ‖ chain:16 ‖ block:u64be ‖ index:u32be ‖ digest:32)`.
 *
 * @param chain 32 hex digits
 * @param index of the row in the block, from 0, in ascending order of audit ids
 * @param digest of the event, 32 bytes
 */
export function rowLeaf(chain: string, block: number, index: number, digest: Uint8Array): Buffer {
  if (chain !== leafChain || block !== leafBlock) {
    leaf.write(chain, CHAIN_AT, 'hex')
    leaf.writeUInt32BE(Math.floor(block / 2 ** 32), BLOCK_AT)
    leaf.writeUInt32BE(block % 2 ** 32, BLOCK_AT + 4)
    leafChain = chain
    leafBlock = block
  }
  leaf.writeUInt32BE(index, INDEX_AT)
  leaf.set(digest, DIGEST_AT)
  return sha256(leaf)
}

import type { BlockColumns } from '../chain/block-columns.js'
import { noteOfColumns } from '../chain/block-columns.js'
import { openNote } from '../chain/note.js'
import { type ChainState, chainState } from '../verify/chain-state.js'
import { type Genesis, openGenesis } from '../verify/genesis.js'
import { NO_TRUST, type Trust } from '../verify/trust.js'
import { AuditError } from '../errors.js'
import { formatTime } from './time.js'

/** What a chain says of itself, in its first and its last block. The blocks between them take `otel-audit verify`. */
export interface ChainHealth {
  /** 32 hex digits. */
  readonly chain_id: string
  readonly log: string
  /** Who writes; `null` when it is not known, or when there is no genesis block of this chain. */
  readonly service_name: string | null
  readonly service_instance_id: string | null
  /** `closed` and `idle` chains have ended in order; `live` ones said something within 120 s; `unclean` ones did not. */
  readonly state: ChainState
  readonly blocks: number
  readonly rows: number
  /** Events that its writer says it has lost. */
  readonly lost: number
  /** Of the last block, by the writer's clock; `null` for what can be no time. */
  readonly last_block_time: string | null
  /** Whether an enrolment key of the trust file signed the genesis block; `null` when the trust file has none. */
  readonly enrolled: boolean | null
}

export interface Chains {
  /** The one that said something last comes first. */
  readonly chains: readonly ChainHealth[]
  /** Whether there are more chains than `limit`. */
  readonly truncated: boolean
}

export interface ChainsOptions {
  /** What is known from elsewhere. Default: nothing. */
  readonly trust?: Trust | undefined
}

type Name = 'chain_id' | 'block_no' | 'log' | 'kind' | 'row_total' | 'lost_total' | 'block_time'
type FirstName =
  | 'log'
  | 'prev_hash'
  | 'row_total'
  | 'lost_total'
  | 'root'
  | 'block_time'
  | 'body'
  | 'signatures'

export type ChainRow = Readonly<Record<Name, string>> &
  Readonly<Record<`first_${FirstName}`, string | null>> & { readonly first_row_count: number | null }

const LAST_MICROS = Date.UTC(2255, 0, 1) * 1000

/**
 * @param rows one more than `limit`, when there are more
 * @param nowMs the reader's clock
 */
export function chainsOf(
  rows: readonly ChainRow[],
  limit: number,
  { trust = NO_TRUST }: ChainsOptions,
  nowMs: number,
): Chains {
  return {
    chains: rows.slice(0, limit).map((row) => healthOf(row, trust, nowMs * 1000)),
    truncated: rows.length > limit,
  }
}

function healthOf(row: ChainRow, trust: Trust, now: number): ChainHealth {
  const note = noteOfColumns(firstBlock(row))
  const genesis = attempt(() => openGenesis(note))
  const { service = '', instance = '' } = genesis?.block.opening ?? {}
  const lastTime = Number(row.block_time)
  const end = row.kind === 'close' ? 'closed' : row.kind === 'idle' ? 'idle' : 'open'
  return {
    chain_id: row.chain_id,
    log: genesis?.block.log ?? row.log,
    service_name: service || null,
    service_instance_id: instance || null,
    state: chainState(end, lastTime, now),
    blocks: Number(row.block_no) + 1,
    rows: Number(row.row_total),
    lost: Number(row.lost_total),
    last_block_time: lastTime >= 0 && lastTime < LAST_MICROS ? formatTime(lastTime) : null,
    enrolled: trust.enrolment.length === 0 ? null : isEnrolled(genesis, note, trust),
  }
}

function isEnrolled(genesis: Genesis | undefined, note: string, { origin, enrolment }: Trust): boolean {
  if (genesis === undefined || genesis.block.log !== (origin ?? genesis.block.log)) return false
  return attempt(() => openNote(note, enrolment)) !== undefined
}

/** What is not there makes no genesis block. */
function firstBlock(row: ChainRow): BlockColumns {
  const hash = (hex: string | null): Buffer => Buffer.from(hex ?? '', 'hex')
  return {
    chainId: row.chain_id,
    blockNo: 0n,
    log: row.first_log ?? '',
    kind: 'genesis',
    prevHash: hash(row.first_prev_hash),
    minId: null,
    maxId: null,
    root: hash(row.first_root),
    rowCount: row.first_row_count ?? -1,
    rowTotal: BigInt(row.first_row_total ?? -1),
    lostTotal: BigInt(row.first_lost_total ?? -1),
    blockTime: BigInt(row.first_block_time ?? -1),
    body: row.first_body ?? '',
    signatures: row.first_signatures ?? '',
  }
}

/** Content that an attacker put there is not an error of the reader. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof AuditError) return undefined
    throw error
  }
}

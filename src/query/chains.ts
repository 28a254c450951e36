import type { BlockColumns } from '../chain/block-columns.js'
import { noteOfColumns } from '../chain/block-columns.js'
import { openNote } from '../chain/note.js'
import { type ChainState, chainState } from '../verify/chain-state.js'
import { type Genesis, openGenesis, whyForeign } from '../verify/genesis.js'
import { NO_TRUST, type Trust } from '../verify/trust.js'
import { AuditError } from '../errors.js'
import { formatTime } from '../event/time.js'

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
  /** Whether an enrolment key of the trust file signed the genesis block, of this trail; `null` when the trust file has none. */
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

/** Of one chain, as it is stored. */
export interface ChainBlocks {
  readonly last: BlockColumns
  /** Undefined when there is no block 0 that says it is one. */
  readonly genesis: BlockColumns | undefined
}

const LAST_MICROS = Date.UTC(2255, 0, 1) * 1000

/**
 * @param rows one more than `limit`, when there are more
 * @param nowMs the reader's clock
 */
export function chainsOf(
  rows: readonly ChainBlocks[],
  limit: number,
  { trust = NO_TRUST }: ChainsOptions,
  nowMs: number,
): Chains {
  return {
    chains: rows.slice(0, limit).map((row) => healthOf(row, trust, nowMs * 1000)),
    truncated: rows.length > limit,
  }
}

function healthOf({ last, genesis: first }: ChainBlocks, trust: Trust, now: number): ChainHealth {
  const note = first === undefined ? '' : noteOfColumns(first)
  const genesis = attempt(() => openGenesis(note))
  const { service = '', instance = '' } = genesis?.block.opening ?? {}
  const lastTime = Number(last.blockTime)
  const end = last.kind === 'close' ? 'closed' : last.kind === 'idle' ? 'idle' : 'open'
  return {
    chain_id: last.chainId,
    log: genesis?.block.log ?? last.log,
    service_name: service || null,
    service_instance_id: instance || null,
    state: chainState(end, lastTime, now),
    blocks: Number(last.blockNo) + 1,
    rows: Number(last.rowTotal),
    lost: Number(last.lostTotal),
    last_block_time: lastTime >= 0 && lastTime < LAST_MICROS ? formatTime(lastTime) : null,
    enrolled: trust.enrolment.length === 0 ? null : isEnrolled(genesis, note, trust),
  }
}

function isEnrolled(genesis: Genesis | undefined, note: string, trust: Trust): boolean {
  const { origin, enrolment } = trust
  if (genesis === undefined || genesis.block.log !== (origin ?? genesis.block.log)) return false
  if (whyForeign(genesis.block, trust) !== undefined) return false
  return attempt(() => openNote(note, enrolment)) !== undefined
}

/** Whatever an attacker put there is no error of the reader's. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof AuditError) return undefined
    throw error
  }
}

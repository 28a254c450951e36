import type { AuditErrorCode } from '../errors.js'
import type { AuditEvent } from '../event/event.js'

/** One event as it is to be stored. */
export interface BatchEntry {
  readonly event: AuditEvent
  /** SHA-256 of the event: 32 bytes. */
  readonly digest: Buffer
  /** An earlier send, of another process too, may have stored it under another id: {@link AuditEvent.originalAuditId}. */
  readonly mayBeStored?: boolean
  /**
   * What the event may be stored as by another who had it, under the same id: as its service wrote it itself, without what a
   * gateway adds. Such a row is this event.
   */
  readonly alike?: readonly AuditEvent[] | undefined
  /** What is kept aside in the same transaction, and is what this row is about. */
  readonly setAside?: readonly SetAside[] | undefined
}

/** Something that came, and cannot be a row: kept as it came. */
export interface SetAside {
  /** Its millisecond, and bits of a hash: not unique by itself. */
  readonly quarantineId: bigint
  /** What it is known by: SHA-256, 32 bytes. The same again is not kept a second time. */
  readonly fingerprint: Buffer
  readonly sender: string
  /** A word of a fixed list. */
  readonly reason: string
  /** How `raw` is to be read. */
  readonly format: string
  readonly serviceName: string | null
  readonly serviceInstanceId: string | null
  /** 32 hex digits. */
  readonly traceId: string | null
  /** 16 hex digits. */
  readonly spanId: string | null
  /** Which of the events of its span it is. */
  readonly ordinal: number
  /** When it came, µs since the Unix epoch. */
  readonly receivedAt: number
  /** As it came, or its beginning. */
  readonly raw: Buffer
  /** Of the whole. */
  readonly rawSha256: Buffer
}

/**
 * Events that are stored together or not at all: at least one, in ascending order of their ids, no id twice.
 * A batch never changes. To send other events, or other bytes, make another batch.
 */
export interface AuditBatch {
  readonly entries: readonly BatchEntry[]
}

/** Why a write did not succeed. Names no notes, attributes or other row contents. */
export interface SinkFault {
  readonly code: Extract<
    AuditErrorCode,
    'AUDIT_UNAVAILABLE' | 'AUDIT_TIMEOUT' | 'AUDIT_UNCONFIRMED' | 'AUDIT_REJECTED'
  >
  readonly message: string
  readonly cause?: unknown
}

/** A block of a chain. */
export interface ChainPlace {
  /** 32 hex digits. */
  readonly chain: string
  readonly block: number
}

/** Where a batch is stored in its writer's chain. The place of a row in the block is its place in the batch. */
export interface BlockPlace extends ChainPlace {
  /** The name of the log that the chain belongs to. */
  readonly log: string
}

/**
 * What became of a batch.
 *
 * * `committed`: all of it is durably stored. `place` says where, when the sink keeps a chain of blocks.
 * * `conflict`: nothing of *this* write is stored, because ids of the batch are already taken. `held` has all of those
 *   that are stored, with the digest stored beside each (`null`: a row that has none). An event that is stored under an
 *   id of another time counts as held under its own, with its own digest. `same` has those of them that are the event
 *   itself although the digest is another one: {@link BatchEntry.alike}.
 * * `refused`: nothing is stored; one row or more can never be stored as it is. With `misdatedAt`, the store's clock in ms
 *   since the Unix epoch, when the time in an id may be why.
 * * `failed`: nothing is stored, for a reason that lies outside the batch. `lasting` when only a person can mend it.
 * * `unknown`: it was sent, and may be stored now or *later*. The same batch MUST be written again before any other.
 */
export type WriteResult =
  | { readonly status: 'committed'; readonly committedAt: number; readonly place?: BlockPlace | undefined }
  | {
      readonly status: 'conflict'
      readonly held: ReadonlyMap<bigint, Buffer | null>
      readonly same?: ReadonlySet<bigint> | undefined
    }
  | { readonly status: 'refused'; readonly fault: SinkFault; readonly misdatedAt?: number | undefined }
  | { readonly status: 'failed'; readonly lasting: boolean; readonly fault: SinkFault }
  | { readonly status: 'unknown'; readonly fault: SinkFault }

/** A block that has been committed. */
export interface CommittedBlock extends BlockPlace {
  readonly kind: 'genesis' | 'data' | 'idle' | 'rotate' | 'close'
  /** SHA-256 of its text, 32 bytes. */
  readonly hash: Buffer
  /** The whole block as a signed note. */
  readonly note: string
  /** Its rows; none but in a data block. */
  readonly entries: readonly BatchEntry[]
}

/** Blocks that the store had acknowledged, and does not have any more. */
export interface LostBlocks {
  /** 32 hex digits. */
  readonly chain: string
  readonly firstBlock: number
  readonly lastBlock: number
  /** How many rows went with them. */
  readonly rows: number
}

/** What a sink that keeps a chain of blocks asks of the writer it writes for, and tells it. MUST NOT throw. */
export interface SinkOwner {
  readonly serviceName: string | undefined
  readonly serviceInstanceId: string | undefined
  /** How many events the writer has lost so far. */
  readonly lost: number
  /** The last block that is known to be stored of the chain that this writer had to leave. */
  readonly continues?: ChainPlace | undefined
  /** Told of every block, after its commit. */
  onBlock(block: CommittedBlock): void
  /** Told when the store turns out to have lost blocks. */
  onLostBlocks(lost: LostBlocks): void
}

/** One finding of a sink about its own fitness. */
export interface HealthFinding {
  /** `error`: records would not be durable. `warning`: worth knowing. */
  readonly level: 'error' | 'warning'
  readonly check: string
  readonly message: string
}

/**
 * Where rows go.
 *
 * * {@link write} MUST NOT be called again before it has answered, MUST NOT reject, and MUST answer in bounded time.
 * * A sink MUST answer `failed`, `refused` or `conflict` only when it knows that nothing of the batch is stored by
 *   this or any earlier write of it; when in doubt it answers `unknown`.
 * * A sink MUST answer `committed` only when the rows survive a crash of the process, and of the machine as far as the
 *   store promises it.
 */
export interface AuditSink {
  /** Names the sink in errors and attributes: `db`, `noop`, … */
  readonly sinkId: string
  write(batch: AuditBatch): Promise<WriteResult>
  /** Told before the first write for whom it writes, by a writer that wants to know. */
  attach?(writer: SinkOwner): void
  /** Findings about the store; none when all is well. Rejects with an AuditError when it cannot be reached. */
  check?(): Promise<readonly HealthFinding[]>
  /**
   * Another sink of the same store, which may write while this one does: always the same. It belongs to this one, and is closed
   * with it. Called after {@link attach}.
   */
  beside?(): SecondSink
  /** Ends all work. A write in progress answers `unknown` or as it really ended. Idempotent. */
  close(): Promise<void>
}

/** A sink that is used under load only, and may let go in between of what it needs. */
export interface SecondSink extends AuditSink {
  /** Whether a write would be sent at once. */
  readonly isReady: boolean
  /** Gets what a write needs. Rejects when that cannot be had; it may be asked again. */
  prepare(): Promise<void>
}

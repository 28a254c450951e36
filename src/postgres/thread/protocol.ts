import type {
  AuditBatch,
  BatchEntry,
  CommittedBlock,
  HealthFinding,
  LostBlocks,
  SinkFault,
  SinkOwner,
  WriteResult,
} from '../../contract/sink.js'
import type { AuditEvent } from '../../event/fields.js'
import { packError, type PackedError, unpackError } from '../packed-error.js'
import type { PostgresAuditSinkOptions } from '../write/sink.js'

// What the process and its writer thread say to each other. Everything is copied: nothing here has a method.

/** The options of the sink in the thread. A function that gives the URL stays in the process, and is asked there. */
export interface ThreadOptions extends Omit<PostgresAuditSinkOptions, 'databaseUrl'> {
  readonly databaseUrl: string | undefined
}

/** The writer, as it is when something is asked of the thread. */
export type OwnerState = Pick<SinkOwner, 'serviceName' | 'serviceInstanceId' | 'lost' | 'continues'>

/** What the process asks. The first message has the options, and is not answered. */
export type ThreadRequest =
  | { readonly what: 'open'; readonly options: ThreadOptions }
  | { readonly what: 'url'; readonly id: number; readonly url: PackedOutcome<string> }
  | { readonly what: 'write'; readonly id: number; readonly owner: OwnerState; readonly batch: PackedBatch }
  | { readonly what: 'check' | 'close'; readonly id: number; readonly owner: OwnerState }

export type ThreadMessage =
  /** It has begun to take messages. */
  | { readonly what: 'ready' }
  | { readonly what: 'url'; readonly id: number }
  | { readonly what: 'written'; readonly id: number; readonly result: PackedResult }
  | {
      readonly what: 'checked'
      readonly id: number
      readonly findings: PackedOutcome<readonly HealthFinding[]>
    }
  | { readonly what: 'closed'; readonly id: number }
  | { readonly what: 'block'; readonly block: PackedBlock }
  | { readonly what: 'lost-blocks'; readonly lost: LostBlocks }
  | {
      readonly what: 'log'
      readonly level: LogLevel
      readonly message: string
      readonly details: readonly string[]
    }

export type LogLevel = 'error' | 'warn' | 'debug'

export type PackedOutcome<T> = { readonly value: T } | { readonly error: PackedError }

export interface PackedBatch {
  readonly events: readonly AuditEvent[]
  /** Of all entries, one behind the other. */
  readonly digests: Uint8Array
  /** Which entries {@link BatchEntry.mayBeStored}. */
  readonly replayed: readonly number[]
}

const DIGEST_BYTES = 32

export function packBatch({ entries }: AuditBatch): PackedBatch {
  const digests = new Uint8Array(entries.length * DIGEST_BYTES)
  for (const [i, { digest }] of entries.entries()) digests.set(digest, i * DIGEST_BYTES)
  return {
    events: entries.map(({ event }) => event),
    digests,
    replayed: entries.flatMap(({ mayBeStored }, i) => (mayBeStored === true ? [i] : [])),
  }
}

export function unpackBatch({ events, digests, replayed }: PackedBatch): AuditBatch {
  const isReplayed = new Set(replayed)
  const entries = events.map((event, i): BatchEntry => {
    const digest = Buffer.from(digests.buffer, digests.byteOffset + i * DIGEST_BYTES, DIGEST_BYTES)
    return isReplayed.has(i) ? { event, digest, mayBeStored: true } : { event, digest }
  })
  return { entries }
}

export async function packedOutcome<T>(work: () => T | Promise<T>): Promise<PackedOutcome<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error: packError(error) }
  }
}

/** @throws what was packed */
export function unpackOutcome<T>(outcome: PackedOutcome<T>): T {
  if ('error' in outcome) throw unpackError(outcome.error)
  return outcome.value
}

type PackedFault = Omit<SinkFault, 'cause'> & { readonly cause: PackedError | undefined }
type Faulty = Extract<WriteResult, { readonly fault: SinkFault }>
type Conflict = Extract<WriteResult, { readonly status: 'conflict' }>

export type PackedResult =
  | Exclude<WriteResult, Faulty | Conflict>
  | { readonly conflict: readonly (readonly [bigint, Uint8Array | null])[] }
  | { readonly faulty: Faulty; readonly fault: PackedFault }

export function packResult(result: WriteResult): PackedResult {
  if (result.status === 'conflict') {
    // A copy of a Buffer of Node's pool would be one of the pool.
    return { conflict: [...result.held].map(([id, digest]) => [id, digest && Uint8Array.from(digest)]) }
  }
  if (!('fault' in result)) return result
  const { code, message, cause } = result.fault
  const fault = { code, message, cause: cause === undefined ? undefined : packError(cause) }
  return { faulty: { ...result, fault: { code, message } }, fault }
}

export function unpackResult(packed: PackedResult): WriteResult {
  if ('conflict' in packed) {
    const held = packed.conflict.map(([id, digest]) => [id, digest && Buffer.from(digest)] as const)
    return { status: 'conflict', held: new Map(held) }
  }
  if (!('faulty' in packed)) return packed
  const { code, message, cause } = packed.fault
  const fault = { code, message, ...(cause === undefined ? {} : { cause: unpackError(cause) }) }
  return { ...packed.faulty, fault }
}

/** Its rows are those of the batch that is being written. */
export type PackedBlock = Omit<CommittedBlock, 'entries' | 'hash'> & { readonly hash: Uint8Array }

export function packBlock({ log, chain, block, kind, hash, note }: CommittedBlock): PackedBlock {
  return { log, chain, block, kind, note, hash: Uint8Array.from(hash) }
}

import type { AuditAttributes } from './attributes.js'
import type { ActorType, AuditEvent, AuditFields } from './event.js'
import { Operation, Outcome } from './vocabulary.js'

// The rows that the product writes about itself. No application may record them, but for those of reads: `draftAccess`.

/** What the trail's own rows name as their credential. */
export const TRAIL_CREDENTIAL = 'secret_audit'

/** A row of the pipeline about itself: that it started or stopped, or which records are strict from now on. */
export function lifecycleRow(outcome: Outcome, attributes: AuditAttributes): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditLifecycle,
    outcome,
    actorType: 'system',
    attributes,
  }
}

/** Events that are missing from the trail for one reason: how many, and the smallest and largest of their ids. */
export interface Gap {
  count: number
  first: bigint
  last: bigint
}

/** Rows that the store has lost with their blocks. */
interface LostRows {
  readonly chain: string
  readonly firstBlock: number
  readonly lastBlock: number
  readonly rows: number
}

/** The row about rows that the store had acknowledged, and has lost: their ids are not known any more. */
export function lostBlocksRow({ chain, firstBlock, lastBlock, rows }: LostRows): AuditFields {
  return gapRow({
    count: rows,
    reason: 'lost_by_store',
    chain,
    first_block: firstBlock,
    last_block: lastBlock,
  })
}

/** The row about events that are missing from the trail. */
export function gapFields(reason: string, { count, first, last }: Gap): AuditFields {
  return gapRow({ count, first: String(first), last: String(last), reason })
}

function gapRow(attributes: AuditAttributes): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditGap,
    outcome: Outcome.Lost,
    actorType: 'system',
    attributes,
  }
}

/** How a secret client of the process is covered. */
interface CoverageStatement {
  /** The client, with its version where that is known: `node-vault@0.10.2`, `wire:vault`. */
  readonly client: string
  readonly state: Extract<Outcome, 'hooked' | 'not_hooked' | 'wire' | 'observed'>
  /** What is hooked. */
  readonly hook: string | undefined
  /** Why it is not, or what was seen. Never anything of a secret: a pattern, a name. */
  readonly reason: string | undefined
  /** Of Node, as `v24.1.0`. */
  readonly node: string
  /** When that began, RFC 3339: a state that lasts is stated again. */
  readonly since: string
  /** Which one says so: an instance of a service has one in each of its threads. Its rows of the lifecycle name it, too. */
  readonly pipeline?: string | undefined
}

/** Longest text that a row about coverage repeats. */
const LONGEST_REASON = 512

/** The row about how a secret client is covered from now on, or still is. */
export function coverageRow(statement: CoverageStatement): AuditFields {
  const { client, state, hook, reason, node, since, pipeline } = statement
  return {
    credential: client,
    operation: Operation.AuditCoverage,
    outcome: state,
    actorType: 'system',
    attributes: {
      node,
      since,
      ...(pipeline !== undefined && { pipeline }),
      ...(hook !== undefined && { hook: hook.slice(0, LONGEST_REASON) }),
      ...(reason !== undefined && { reason: reason.slice(0, LONGEST_REASON) }),
    },
  }
}

/** What came to the gateway in one request and is kept aside, since it cannot be a row. */
interface KeptAside {
  readonly sender: string
  readonly count: number
  /** Each with its number. */
  readonly reasons: string
  /** Over the hashes of all of it, lower-case hex. */
  readonly sha256: string
}

const QUARANTINED = Outcome.other('quarantined')

/** The row about what is kept aside. */
export function quarantineRow({ sender, ...attributes }: KeptAside): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditQuarantine,
    outcome: QUARANTINED,
    actorId: sender,
    actorType: 'service',
    attributes: { ...attributes },
  }
}

/** What an operator did with what was kept aside: `list`, `show`, `replay`, `discard`. */
export function quarantineDecisionRow(
  { actorId, actorType }: Principal,
  action: string,
  attributes: AuditAttributes,
): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditQuarantine,
    outcome: Outcome.Ok,
    actorId,
    actorType,
    attributes: { action, ...attributes },
  }
}

/** What the retention key has signed about a partition. */
interface Retained {
  readonly state: string
  readonly partition: string
  readonly rows: number
}

/**
 * The row about a partition that is being retired, was retired, or was put back. It counts by its note, and by nothing else. The note
 * has line ends, which no attribute has: it is in base64.
 */
export function retentionRow(
  { state, partition, rows }: Retained,
  note: string,
  principal: Principal,
): AuditFields {
  return notedRow({ state, partition, rows }, note, principal)
}

/** The row about where chains begin whose first blocks were retired, with the signed note about it. */
export function chainStartsRow(
  { chains }: { readonly chains: number },
  note: string,
  principal: Principal,
): AuditFields {
  return notedRow({ state: 'chain starts', chains }, note, principal)
}

function notedRow(
  about: Readonly<Record<string, string | number>>,
  note: string,
  { actorId, actorType }: Principal,
): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditRetention,
    outcome: Outcome.Ok,
    actorId,
    actorType,
    attributes: { ...about, note: Buffer.from(note).toString('base64') },
  }
}

/** The row about partitions that were archived, and proven. */
export function archivedRow(
  attributes: {
    readonly partition: string
    readonly rows: number
    readonly place: string
    readonly manifest: string
  },
  { actorId, actorType }: Principal,
): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditRetention,
    outcome: Outcome.Ok,
    actorId,
    actorType,
    attributes: { state: 'archived', ...attributes },
  }
}

/** The row about a hold that is added or released. */
export function holdRow(
  attributes: AuditAttributes & { readonly action: 'add' | 'release' },
  { actorId, actorType }: Principal,
): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditHold,
    outcome: Outcome.Ok,
    actorId,
    actorType,
    attributes,
  }
}

/** What a verification came to. */
interface VerificationResult {
  readonly findings: number
  /** Rows that it has proven. */
  readonly rows: number
  /** Everything was verified, and not only what is new and a share of what is old. */
  readonly full: boolean
  /** Of the state that it left: its number, and the SHA-256 of its file, lower-case hex. */
  readonly sequence?: number | undefined
  readonly state?: string | undefined
}

const FINDINGS = Outcome.other('findings')
const INCOMPLETE = Outcome.other('incomplete')

/** The row about a verification of the trail. */
export function verifyRow(
  { findings, rows, full, sequence, state }: VerificationResult,
  isSuccess: boolean,
  { actorId, actorType }: Principal,
): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditVerify,
    outcome: isSuccess ? Outcome.Ok : findings > 0 ? FINDINGS : INCOMPLETE,
    actorId,
    actorType,
    attributes: {
      findings,
      rows,
      full,
      ...(sequence !== undefined && { sequence }),
      ...(state !== undefined && { state }),
    },
  }
}

/** The row that corrects a stored `event`: its caller had been refused, and withheld the secret. */
export function withheldFields(event: AuditEvent): AuditFields {
  return {
    credential: event.credential,
    operation: event.operation as AuditFields['operation'],
    outcome: Outcome.Withheld,
    workerId: event.workerId ?? undefined,
    executionId: event.executionId ?? undefined,
    actorId: event.actorId ?? undefined,
    actorType: event.actorType ?? undefined,
    attributes: { withheld: String(event.auditId) },
  }
}

/** The outcome of a read that was refused for want of a valid token. */
const UNAUTHENTICATED = Outcome.other('unauthenticated')

/** Reads of the trail that were refused before it was known who asks. */
export interface RefusedReads {
  /** Of HTTP: 401 or 403. */
  readonly status: number
  readonly sourceAddress: string | undefined
  /** How many there were since the row before, of the same address. */
  readonly refused: number
}

/** The row about a burst of refused reads. Nobody is named: whoever asked has not said who it is, or not proven it. */
export function refusedReadFields({ status, sourceAddress, refused }: RefusedReads): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.QueryTrail,
    outcome: UNAUTHENTICATED,
    sourceAddress,
    attributes: { via: 'http', status, refused },
  }
}

/** Who reads the trail. */
export interface Principal {
  readonly actorId: string
  readonly actorType: ActorType
  readonly sourceAddress?: string | undefined
}

/** What is read of the trail. */
export interface Reading {
  readonly what:
    | 'rows'
    | 'row'
    | 'histogram'
    | 'summary'
    | 'matrix'
    | 'bursts'
    | 'reversals'
    | 'manifest'
    | 'chains'
    | 'export'
    | 'tail'
    | 'reconcile'
    | 'coverage'
    | 'retired'
    | 'review'
    | 'evidence'
    | 'sign_in'
  readonly via: 'http' | 'cli'
  /** The filter, as JSON. */
  readonly filter: string
  /** How many rows the reader gets; not known yet when an export begins. */
  readonly rows?: number | undefined
  /** Of the file that an export wrote, or of the manifest of a review or of evidence; lower-case hex. */
  readonly sha256?: string | undefined
}

/** The row that a read of the trail leaves in it. */
export function readingFields(
  { actorId, actorType, sourceAddress }: Principal,
  { what, via, filter, rows, sha256 }: Reading,
  outcome: Outcome,
): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: what === 'export' || what === 'evidence' ? Operation.ExportTrail : Operation.QueryTrail,
    outcome,
    actorId,
    actorType,
    sourceAddress,
    attributes: {
      what,
      via,
      filter,
      ...(rows !== undefined && { rows }),
      ...(sha256 !== undefined && { sha256 }),
    },
  }
}

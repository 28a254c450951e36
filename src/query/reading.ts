import type { ActorType, AuditFields } from '../event/event.js'
import { Operation, type Outcome } from '../event/vocabulary.js'
import { TRAIL_CREDENTIAL } from '../exporter/gap.js'

/** Who reads the trail. */
export interface Principal {
  readonly actorId: string
  readonly actorType: ActorType
  readonly sourceAddress?: string | undefined
}

/** What is read of the trail. */
export interface Reading {
  readonly what: 'rows' | 'row' | 'histogram' | 'summary' | 'chains' | 'export' | 'tail'
  readonly via: 'http' | 'cli'
  /** The filter, as JSON. */
  readonly filter: string
  /** How many rows the reader gets; not known yet when an export begins. */
  readonly rows?: number | undefined
  /** Of the file that an export wrote, lower-case hex. */
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
    operation: what === 'export' ? Operation.ExportTrail : Operation.QueryTrail,
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

import type { AuditEvent } from '../../event/event.js'

/** Names an entry within one spool. Ascending in the order of appending. */
export type SpoolKey = number

export interface SpooledEvent {
  readonly key: SpoolKey
  readonly event: AuditEvent
}

/** Why a spool did not take events. `full`: the bound is reached. `unavailable`: disk, engine or worker failed. */
export class SpoolRefusal extends Error {
  override readonly name = 'SpoolRefusal'
  readonly reason: 'full' | 'unavailable'

  constructor(reason: 'full' | 'unavailable', message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.reason = reason
  }
}

export interface SpoolStatus {
  /** Entries that wait, handed out or not. */
  readonly entries: number
  /** Bytes of those entries, keys included. */
  readonly bytes: number
  /** Entries that were set aside. */
  readonly quarantined: number
}

/**
 * Keeps events on disk until they are stored: across outages, and across the death of the process.
 *
 * * {@link append} MUST resolve only when all events given are on disk (fsync), and MUST leave none of them behind when
 *   it rejects. It MUST reject with a {@link SpoolRefusal}, and MUST NOT end the process, whatever the disk does.
 * * {@link next} MUST hand out the oldest entries first, and no entry a second time before it is put back, in this
 *   process or another that is alive.
 * * An entry MUST stay on disk until {@link remove} or {@link quarantine}, and be handed out again by the next process
 *   when this one dies before.
 * * An entry that cannot be read MUST be quarantined with the reason; all others MUST still be handed out.
 * * `bytes` MUST stay at or below the bound the spool was made with; quarantined entries count.
 * * After {@link close} all calls reject with `unavailable`.
 */
export interface Spool {
  append(events: readonly AuditEvent[]): Promise<readonly SpoolKey[]>
  next(limit: number): Promise<readonly SpooledEvent[]>
  /** These are stored. Unknown keys are ignored. */
  remove(keys: readonly SpoolKey[]): Promise<void>
  /** These were handed out, and are not stored: they may be handed out again. */
  putBack(keys: readonly SpoolKey[]): Promise<void>
  /** This one can never be stored. It stays on disk, beside the others, for a person to look at. */
  quarantine(key: SpoolKey, reason: string): Promise<void>
  /** As of the last call that returned; costs nothing. */
  readonly status: SpoolStatus
  close(): Promise<void>
}

import type { AuditEvent } from '../event/event.js'

/**
 * Names an entry while it is in the hands of the process: from {@link Spool.append} or {@link Spool.next} until
 * {@link Spool.remove}, {@link Spool.putBack} or {@link Spool.quarantine}. Never used a second time.
 */
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
  /** Bytes of the entries, quarantined ones included, with what the engine needs to keep them. */
  readonly bytes: number
  /** Entries that were set aside. */
  readonly quarantined: number
}

/**
 * Keeps events on disk until they are stored: across outages, and across the death of the process.
 *
 * * {@link append} MUST resolve only when all events given are on disk (fsync), and MUST leave none of them behind when
 *   it rejects. It MUST reject with a {@link SpoolRefusal}, and MUST NOT end the process, whatever the disk does.
 * * What was appended is in the hands of the process, as what {@link next} handed out is.
 * * {@link next} MUST hand out the oldest entries first, and no entry a second time before it is put back, in this
 *   process or another that is alive. It MUST hand out at least one when there is one.
 * * An entry MUST stay on disk until {@link remove} or {@link quarantine}, and be handed out again by the next process
 *   when this one dies before.
 * * An entry that cannot be read MUST be quarantined with the reason; all others MUST still be handed out.
 * * {@link append} MUST reject as `full` what would take `bytes` over the bound that the spool was made with. What was
 *   taken over from other processes counts, and is taken over also when it exceeds the bound.
 * * {@link remove} and {@link quarantine} MUST work when the disk is full.
 * * After {@link close} was called, all other calls reject with `unavailable`; those before it are served.
 */
export interface Spool {
  append(events: readonly AuditEvent[]): Promise<readonly SpoolKey[]>
  next(limit: number): Promise<readonly SpooledEvent[]>
  /** These are stored. Keys of entries that are not in the hands of the process are ignored. */
  remove(keys: readonly SpoolKey[]): Promise<void>
  /** These are not stored, and may be handed out again. Keys that are not in the hands of the process are ignored. */
  putBack(keys: readonly SpoolKey[]): Promise<void>
  /** This one can never be stored. It stays on disk, beside the others, for a person to look at. */
  quarantine(key: SpoolKey, reason: string): Promise<void>
  /** As of the last call that returned; costs nothing. */
  readonly status: SpoolStatus
  /** Idempotent. Entries in the hands of the process stay on disk for the next one. */
  close(): Promise<void>
}

import type { AuditFields } from '../event/event.js'

/** An audit id that is set aside for the first row of an access, when another access inside of it has to name it. */
export interface Reservation {
  /** Set aside by the first call. */
  readonly auditId: () => bigint | undefined
}

export interface AccessRecording {
  /** Whatever the policy says: nobody waits for it. */
  readonly mode?: 'async' | undefined
  /** For the first row. */
  readonly reservation?: Reservation | undefined
  /** Ends the wait, never the write. */
  readonly signal?: AbortSignal | undefined
}

/** Where the rows of accesses go. The helper is one. */
export interface AccessRecorder {
  reservation(): Reservation
  /**
   * Records the rows of one access in one transaction. Resolves when what was accessed may be released: for strict rows
   * after their commit. When one of them failed, the others that are stored get a row that says `withheld`.
   *
   * @throws AuditError; what was accessed must not be released
   */
  recordAccess(rows: readonly AuditFields[], recording: AccessRecording): Promise<void>
}

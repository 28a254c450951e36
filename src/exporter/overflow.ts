import type { SpoolStatus } from '../spool/spool.js'
import type { Entry } from './entry.js'
import type { AuditQueue } from './queue.js'

/** What the exporter needs of a spool, whether there is one or not: {@link NoSpool}, `Spooler`. */
export interface Overflow {
  readonly status: Pick<SpoolStatus, 'entries' | 'bytes'>
  /** A new event has its place in the bounds: it is brought into the queue. */
  arrived(entry: Entry): void
  /** The caller of a denial was refused, and the event goes on as async. */
  keepDenial(entry: Entry): void
  /** Events of the spool may come back. */
  refill(): void
  /** The event's row is stored. */
  forget(entry: Entry): void
  /** @returns whether the event is now kept aside on disk */
  quarantine(entry: Entry, reason: string): Promise<boolean>
  /** Puts these on disk, for the next process. @returns those that are not */
  keep(entries: readonly Entry[]): Promise<readonly Entry[]>
  /** The end has come: nothing is looked for any more, and everything that waits is kept by {@link keep}. */
  stop(): void
  /** From now on nothing comes back. Resolves when all that has arrived is on disk or in the queue. */
  settled(): Promise<void>
  close(): Promise<void>
}

/** No spool: events wait in memory only. */
export class NoSpool implements Overflow {
  readonly status = { entries: 0, bytes: 0 }
  readonly #queue: AuditQueue

  constructor(queue: AuditQueue) {
    this.#queue = queue
  }

  arrived(entry: Entry): void {
    this.#queue.enqueue(entry)
  }

  keepDenial(): void {}

  refill(): void {}

  forget(): void {}

  quarantine(): Promise<boolean> {
    return Promise.resolve(false)
  }

  keep(entries: readonly Entry[]): Promise<readonly Entry[]> {
    return Promise.resolve(entries)
  }

  stop(): void {}

  settled(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

import type { Reservation } from '../instrument/recorder.js'

/** Id and time of an event. They go together: the time is in the id. */
export interface EventPlace {
  readonly auditId: bigint
  /** µs since the Unix epoch. */
  readonly occurredAt: number
}

/** The id of a row that is not made yet, once something has to name it. */
export class ReservedId implements Reservation {
  readonly #take: () => EventPlace
  #taken: EventPlace | undefined

  constructor(take: () => EventPlace) {
    this.#take = take
  }

  readonly auditId = (): bigint => (this.#taken ??= this.#take()).auditId

  /** Undefined when nobody has asked for it: then the row gets its id when it is made. */
  get taken(): EventPlace | undefined {
    return this.#taken
  }
}

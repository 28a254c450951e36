import type { Entry } from './entry.js'

/** Callers that are refused in one turn of the event loop: thousands may have the same deadline. */
const EXPIRE_A_TURN = 256

/** The deadlines of strict events. The timers keep the process alive: somebody waits. */
export class Deadlines {
  readonly #expire: (entry: Entry) => void
  #due: Entry[] = []

  /** @param expire called when the time of an entry is up and it has no fate */
  constructor(expire: (entry: Entry) => void) {
    this.#expire = expire
  }

  watch(entry: Entry): void {
    entry.deadline = setTimeout(() => {
      if (this.#due.push(entry) === 1) setImmediate(() => this.#expireSome())
    }, entry.ticket.deadlineMs)
  }

  #expireSome(): void {
    const due = this.#due.slice(0, EXPIRE_A_TURN)
    this.#due = this.#due.slice(EXPIRE_A_TURN)
    if (this.#due.length > 0) setImmediate(() => this.#expireSome())
    for (const entry of due) {
      // Answered in the turn between.
      if (entry.ticket.isWaiting) this.#expire(entry)
    }
  }
}

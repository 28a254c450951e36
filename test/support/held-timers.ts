import { taken } from '../../src/host/globals.js'

/**
 * The timers of the library that have one length: they go off when the test says so. What has to come between two of its own
 * steps, while a session waits for a lock, say, is then in time on any machine. By the clock they go off as well, which is to be
 * later than anything that a test waits for.
 */
export class HeldTimers {
  readonly #running = new Map<NodeJS.Timeout, () => void>()
  readonly #restore: () => void

  /** @param ms the length, of which the library should have no others */
  constructor(ms: number) {
    const { setTimeout, clearTimeout } = taken
    const set = (work: (...args: unknown[]) => void, length: number, ...args: unknown[]): NodeJS.Timeout => {
      const timer = setTimeout(work, length, ...args)
      if (length === ms) this.#running.set(timer, () => work(...args))
      return timer
    }
    const clear = (timer: NodeJS.Timeout | undefined): void => {
      if (timer !== undefined) this.#running.delete(timer)
      clearTimeout(timer)
    }
    Object.assign(taken, { setTimeout: set, clearTimeout: clear })
    this.#restore = () => Object.assign(taken, { setTimeout, clearTimeout })
  }

  /** All that run go off. One that is not cleared runs on, as one that is refreshed would. */
  goOff(): void {
    const due = new Set(this.#running.values())
    for (const work of due) work()
  }

  restore(): void {
    this.#restore()
  }
}

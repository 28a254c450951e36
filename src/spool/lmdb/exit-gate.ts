import { invariant } from '../../host/invariant.js'

const AT_WORK = 0
const SHUT = 1

/**
 * Keeps the end of the process out of the worker's transactions. A thread that is ended between the beginning of a
 * transaction and its commit leaves the engine's lock behind; the engine then waits for that lock while it is cleaned up,
 * and the process never ends. So the process lets the worker finish what it has begun, and begin nothing more.
 */
export class ExitGate {
  /** To be shared with the other thread. */
  readonly memory: SharedArrayBuffer
  readonly #flags: Int32Array

  constructor(memory = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#flags = new Int32Array(memory)
  }

  /** The worker begins something, one thing at a time. @returns false when it must not */
  enter(): boolean {
    const before = Atomics.exchange(this.#flags, AT_WORK, 1)
    invariant(
      before === 0,
      'the worker does one thing at a time: leaving the first would open the gate for both',
    )
    if (Atomics.load(this.#flags, SHUT) === 0) return true
    this.leave()
    return false
  }

  /** The worker has ended what it began. */
  leave(): void {
    Atomics.store(this.#flags, AT_WORK, 0)
    Atomics.notify(this.#flags, AT_WORK)
  }

  /** The process ends: blocks until the worker has ended what it began, at most `longestMs`, in ms. */
  shut(longestMs: number): void {
    Atomics.store(this.#flags, SHUT, 1)
    Atomics.wait(this.#flags, AT_WORK, 1, longestMs)
  }
}

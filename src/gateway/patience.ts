import { clearTimeout, performance, setTimeout } from '../host/globals.js'

/** How long one side waits for the other; what it does itself in between does not count. */
export class Patience {
  readonly #ms: number
  readonly #end: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  /** On the clock that does not step back; undefined: it does not wait. */
  #since: number | undefined

  /** Begins to wait. @param end called once when it has waited for so long without a pause, or by {@link lose} */
  constructor(ms: number, end: () => void) {
    this.#ms = ms
    this.#end = end
    this.#wait()
  }

  /** How long it has waited without a pause, in ms. */
  get waitedMs(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since
  }

  /** Does something else, and waits anew. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#timer)
    this.#since = undefined
    try {
      return await work()
    } finally {
      if (this.#timer !== undefined) this.#wait()
    }
  }

  /** It is at its end, whatever time is left. */
  lose(): void {
    this.over()
    this.#end()
  }

  /** It need not wait any more. */
  over(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#since = undefined
  }

  #wait(): void {
    this.#since = performance.now()
    this.#timer = setTimeout(this.#end, this.#ms)
  }
}

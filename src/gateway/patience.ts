import { clearTimeout, setTimeout } from '../host/globals.js'

/** How long one side waits for the other; what it does itself in between does not count. */
export class Patience {
  readonly #ms: number
  readonly #end: () => void
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Begins to wait. @param end called once when it has waited for so long without a pause */
  constructor(ms: number, end: () => void) {
    this.#ms = ms
    this.#end = end
    this.#timer = setTimeout(end, ms)
  }

  /** Does something else, and waits anew. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#timer)
    try {
      return await work()
    } finally {
      if (this.#timer !== undefined) this.#timer = setTimeout(this.#end, this.#ms)
    }
  }

  /** It need not wait any more. */
  over(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

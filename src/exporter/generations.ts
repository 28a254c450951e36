/** Events that were accepted between two barriers. */
export interface Generation {
  /** How many of them have no fate yet. */
  open: number
  /** Called when they all have, and those before them. */
  readonly waiting: (() => void)[]
}

/**
 * Barriers behind which everything must end that was accepted before them. Neither a barrier nor an event costs more
 * when there are many of either: an event only counts for the generation in which it came.
 */
export class Generations {
  /** Oldest first. The last one is that of the events that come now. */
  readonly #all: Generation[] = [{ open: 0, waiting: [] }]

  /** @returns what {@link leave} wants to have */
  enter(): Generation {
    const current = this.#current
    current.open++
    return current
  }

  /** An event has its fate. */
  leave(generation: Generation | undefined): void {
    if (generation === undefined) return
    generation.open--
    this.#passBarriers()
  }

  /** Resolves when all that have entered have left. */
  barrier(): Promise<void> {
    const current = this.#current
    const waited = new Promise<void>((resolve) => current.waiting.push(resolve))
    if (current.open > 0) this.#all.push({ open: 0, waiting: [] })
    this.#passBarriers()
    return waited
  }

  get #current(): Generation {
    const current = this.#all.at(-1)
    if (current === undefined) throw new TypeError('there is always a generation')
    return current
  }

  #passBarriers(): void {
    for (let first = this.#all[0]; first?.open === 0; first = this.#all[0]) {
      for (const pass of first.waiting.splice(0)) pass()
      if (this.#all.length === 1) return
      this.#all.shift()
    }
  }
}

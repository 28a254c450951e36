import { clearTimeout, setTimeout, wallClock } from '../../host/globals.js'
/** What takes longer than this says so, in ms. */
const PATIENCE_MS = 1000
/** How often it is said where nobody looks at the line as it changes. */
const IN_A_LOG_MS = 10_000

/** Says on standard error what is being done, once it takes longer than a second. */
export async function whileWaiting<T>(what: string, work: () => Promise<T>): Promise<T> {
  const timer = setTimeout(() => process.stderr.write(`${what} …\n`), PATIENCE_MS)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
  }
}

/** A count on standard error: one line that changes on a terminal, a line now and then in a log. */
export class Progress {
  readonly #what: string
  readonly #since = wallClock()
  #said = this.#since
  #count = 0
  #isOnLine = false

  constructor(what: string) {
    this.#what = what
  }

  add(count: number): void {
    this.#count += count
    const now = wallClock()
    const isTerminal = process.stderr.isTTY
    if (now - this.#said < (isTerminal ? PATIENCE_MS : IN_A_LOG_MS)) return
    this.#said = now
    const rate = Math.round((this.#count * 1000) / (now - this.#since))
    const line = `${this.#count.toLocaleString('en-US')} ${this.#what}, ${rate.toLocaleString('en-US')}/s`
    process.stderr.write(isTerminal ? `\r\u001b[K${line}` : `${line}\n`)
    this.#isOnLine = isTerminal
  }

  end(): void {
    if (this.#isOnLine) process.stderr.write('\r\u001b[K')
  }
}

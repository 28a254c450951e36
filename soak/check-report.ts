/** Of why a check failed: two lists of ids that differ are long. */
const MOST_LINES = 30

/** What was checked: said as it happens, and counted. */
export class Report {
  #passed = 0
  #failed = 0
  #missing = 0

  get exitCode(): 0 | 1 | 2 {
    if (this.#failed > 0) return 1
    return this.#missing > 0 ? 2 : 0
  }

  /** A move of a trail: one that cannot be made has failed, as a whole. */
  async move(name: string, work: () => Promise<void>): Promise<void> {
    console.log(`\n${name}`)
    await this.check('the trail is moved, and looked at to the end', work)
  }

  async check(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#passed++
      console.log(`  ok    ${what}`)
    } catch (error) {
      this.#failed++
      const why = error instanceof Error ? error.message : String(error)
      const lines = why.trimEnd().split('\n', MOST_LINES)
      console.log(`  FAIL  ${what}\n${lines.map((line) => `        ${line}`).join('\n')}`)
    }
  }

  /** A check between others: it is counted, and only a failure is said. */
  async quietly(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#passed++
    } catch (error) {
      await this.check(what, () => Promise.reject(error))
    }
  }

  /** What is not checked here. It is neither passed nor failed, and the exit code says so. */
  lacks(name: string, why: string): void {
    this.#missing++
    console.log(`\n${name}\n  NOT CHECKED: ${why}`)
  }

  end(): void {
    if (this.#missing > 0) console.log(`\n${this.#missing} NOT CHECKED: see above what is needed`)
    console.log(`\n${this.#passed} passed, ${this.#failed} failed`)
  }
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs checks one after another, and counts. Whatever they start or write is gone in the end. */
class Checks {
  #passed = 0
  #failed = 0
  #closers = []
  #directory
  #closed

  constructor(binary, directory) {
    this.binary = binary
    this.#directory = directory
  }

  /** `body` returns what is wrong, as a list of texts, or throws. */
  async check(promise, body) {
    const faults = await body().catch((error) => [error.stack])
    if (this.#closed !== undefined) return // What fails now fails because everything is being closed.
    if (faults.length === 0) this.#passed++
    else this.#failed++
    console.log(`${faults.length === 0 ? 'ok  ' : 'FAIL'}  ${promise}`)
    for (const fault of faults.slice(0, 5)) console.log(`      ${fault.slice(0, 2000)}`)
    if (faults.length > 5) console.log(`      and ${faults.length - 5} more`)
  }

  /** A directory for the files of one check. */
  async directory() {
    if (this.#closed !== undefined) throw new Error('closed')
    return mkdtemp(join(this.#directory, 'check-'))
  }

  /** Runs `close` at the end, whatever happens. To be said as soon as there is something to close. */
  opened(thing, close) {
    this.#closers.push(close)
    if (this.#closed !== undefined) {
      void this.#closeAll() // The first pass may be over.
      throw new Error('closed')
    }
    return thing
  }

  async run(...parts) {
    for (const part of parts) {
      await part(this).catch((error) => this.check(`${part.name} can run`, () => Promise.reject(error)))
    }
  }

  finish() {
    console.log(`\n${this.#passed} passed, ${this.#failed} failed`)
    process.exitCode = this.#failed === 0 ? 0 : 1
  }

  close() {
    this.#closed ??= this.#closeAll()
    return this.#closed
  }

  async #closeAll() {
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) await close()
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Runs the parts in a directory of their own with a collector's binary, also when a signal ends them, and sets the exit code. */
export async function runChecks(binary, ...parts) {
  const checks = new Checks(binary, await mkdtemp(join(tmpdir(), 'otel-audit-collector-')))
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    process.once(signal, () => {
      const end = () => process.exit(code)
      checks.close().then(end, end)
    })
  }
  try {
    await checks.run(...parts)
  } finally {
    await checks.close()
  }
  checks.finish()
}

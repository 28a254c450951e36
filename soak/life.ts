import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is started, and killed: it says `working` on stdout, and ends in order when something comes on its stdin. */
export interface Program {
  readonly name: string
  readonly file: string
}

const WRITER: Program = { name: 'writer', file: fileURLToPath(new URL('./writer.js', import.meta.url)) }
/** A safety net: how long a writer may take to start or to end, in ms. */
const PATIENCE_MS = 120_000

/** One process that keeps a journal, from its start to its end, and the files that it leaves. */
export class WriterLife {
  readonly #program: Program
  /** Written by the process, line by line; whole when the process is gone. */
  readonly journalFile: string
  readonly #logFile: string
  readonly #process: ChildProcess
  readonly #working: Promise<void>
  readonly #ended: Promise<unknown>
  /** Why the end of the process is not to be wondered at. */
  #expected = false

  /** @param orders as JSON in its only argument */
  constructor(directory: string, number: number, orders: object, program = WRITER) {
    this.#program = program
    this.journalFile = join(directory, `journal-${number}`)
    this.#logFile = join(directory, `log-${number}`)
    const journal = openSync(this.journalFile, 'a', 0o600)
    const log = openSync(this.#logFile, 'a', 0o600)
    this.#process = spawn(process.execPath, [program.file, JSON.stringify(orders)], {
      // Ctrl-C on the terminal is for the soak, which ends it.
      detached: true,
      stdio: ['pipe', 'pipe', log, journal],
    })
    closeSync(journal)
    closeSync(log)
    // A write to a dead process fails; its end is noticed by `exit`.
    this.#process.stdin?.on('error', () => {})
    this.#ended = once(this.#process, 'close')
    this.#working = new Promise((resolve) => this.#process.stdout?.once('data', () => resolve()))
  }

  /** Resolves when the writer records events. @throws Error when it has ended by itself, or does not get there */
  async working(): Promise<void> {
    await this.#within(Promise.race([this.#working, this.#ended]), 'does not start')
    this.check()
  }

  /** @throws Error when it has ended by itself, with the end of its output */
  check(): void {
    const { exitCode, signalCode } = this.#process
    if (this.#expected || (exitCode === null && signalCode === null)) return
    throw new Error(
      `the ${this.#program.name} has ended by itself (${signalCode ?? exitCode}); its output:\n${this.#output()}`,
    )
  }

  async kill(): Promise<void> {
    this.check()
    this.#expected = true
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  /** Ends it, if it is still there, without asking what became of it. */
  async abandon(): Promise<void> {
    this.#expected = true
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  /** Lets it stop recording and close. @throws Error when it does not end well */
  async end(): Promise<void> {
    this.#process.stdin?.write('end\n')
    await this.#within(this.#ended, 'does not end')
    if (this.#process.exitCode !== 0) this.check()
  }

  async #within(work: Promise<unknown>, what: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`the ${this.#program.name} ${what}; its output:\n${this.#output()}`)),
        PATIENCE_MS,
      )
    })
    await Promise.race([work, late]).finally(() => clearTimeout(timer))
  }

  #output(): string {
    return readFileSync(this.#logFile, 'utf8').split('\n').slice(-30).join('\n')
  }
}

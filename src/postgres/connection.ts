import { diag } from '../host/diagnostics.js'
import type { Client, ClientBase, Submittable } from 'pg'
import { untraced } from '../host/untraced.js'

/** What node-postgres has, and its types lack. */
export interface Referencing {
  ref(): void
  unref(): void
}

/** A warning of the server. */
export interface ServerWarning {
  readonly code: string
  readonly message: string
  /** Where in the server's source it was raised. */
  readonly routine: string | undefined
}

/** How long the server may take to close its end, in ms: there is nothing left to lose. */
const LONGEST_GOODBYE_MS = 1000

/** The server did not answer in time. What was sent may still be carried out. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/**
 * One connection of our own, never the application's pool.
 *
 * Every use is bounded by a timer of ours (a server that hangs answers nothing, and `statement_timeout` does not cover
 * a commit that waits for a standby), is not traced, and keeps the process alive only while it lasts. After a
 * {@link NoAnswer} or a lost socket the connection is of no use any more.
 */
export class Connection {
  readonly #client: Client & Referencing
  readonly #answerTimeoutMs: number
  readonly #warnings: ServerWarning[] = []
  #broken: Error | undefined
  #uses = 0

  /**
   * Not connected yet: only {@link openSession} makes one.
   *
   * @param answerTimeoutMs how long any one answer may take, in ms. `Infinity`: no limit
   */
  constructor(client: Client & Referencing, answerTimeoutMs: number) {
    this.#client = client
    this.#answerTimeoutMs = answerTimeoutMs
    client.on('error', (error) => {
      this.#broken ??= error
    })
    client.on('end', () => {
      this.#broken ??= new Error('the connection was closed')
    })
    // By SQLSTATE, since the severity's name depends on the server's language: a NOTICE has 00000.
    client.on('notice', ({ code = '', message = '', routine }) => {
      if (code !== '00000') this.#warnings.push({ code, message, routine })
    })
  }

  /** Connects, with settings that neither role nor server decide. It is of no use when that fails. */
  async connect(timeoutMs: number, settings: string): Promise<void> {
    try {
      await this.#bounded(() => this.#client.connect(), timeoutMs)
      await this.#bounded(() => this.#client.query(settings), timeoutMs)
      this.#client.unref()
    } catch (error) {
      this.destroy()
      throw error
    }
  }

  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  /** Warnings of the server since the last call. */
  takeWarnings(): ServerWarning[] {
    return this.#warnings.splice(0)
  }

  /** Runs `work` on the connection, within the answer time, or less. */
  async run<T>(work: (client: ClientBase) => Promise<T>, longestMs?: number): Promise<T> {
    this.#use()
    try {
      return await this.#bounded(() => work(this.#client), longestMs)
    } finally {
      this.#release()
    }
  }

  /**
   * Hands a query object of our own to node-postgres. Its answers are as long as they are: it sees to a server that
   * stops in the middle.
   *
   * @returns what to call when it has ended
   */
  submit(query: Submittable): () => void {
    this.#use()
    untraced(() => this.#client.query(query))
    return () => this.#release()
  }

  /** Cuts the socket. What was sent may still be carried out. */
  destroy(): void {
    this.#broken ??= new Error('the connection was given up')
    // `end` would wait for a server that may hang; node-postgres has no other way to let go of the socket.
    const { connection } = this.#client as unknown as { connection: { stream: { destroy(): void } } }
    connection.stream.destroy()
  }

  /** Says good-bye, and cuts the socket if that takes too long. */
  async close(): Promise<void> {
    if (this.isBroken) return this.destroy()
    try {
      await this.#bounded(() => this.#client.end(), LONGEST_GOODBYE_MS)
    } catch (error) {
      diag.debug('otel-audit: closing the connection failed', error)
      this.destroy()
    }
  }

  #use(): void {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#uses++ === 0) this.#client.ref()
  }

  #release(): void {
    if (--this.#uses === 0) this.#client.unref()
  }

  async #bounded<T>(work: () => Promise<T>, longestMs = Number.POSITIVE_INFINITY): Promise<T> {
    const ms = Math.min(longestMs, this.#answerTimeoutMs)
    if (ms === Number.POSITIVE_INFINITY) return untraced(work)
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new NoAnswer(`no answer within ${ms} ms`))
        this.destroy()
      }, ms)
    })
    try {
      return await Promise.race([untraced(work), timeUp])
    } finally {
      clearTimeout(timer)
    }
  }
}

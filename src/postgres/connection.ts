import { clearTimeout, performance, setImmediate, setTimeout } from '../host/globals.js'
import { diag } from '../host/diagnostics.js'
import type { TLSSocket } from 'node:tls'
import type { Client, ClientBase } from 'pg'
import { untraced } from '../host/untraced.js'
import type { Asked, Entrance } from './server-proof.js'
import type { SessionFacts } from './session-settings.js'
import { Request } from './request.js'
import type { Result, StatementConfig } from './statement.js'
import { type Exchange, guardParser, type PgConnection, Wire } from './wire.js'

/** What node-postgres has, and its types lack. */
export type PgClient = Omit<Client, 'connection'> & {
  readonly connection: PgConnection
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

const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address)

/** Of a warning that comes again and again, no more are kept than this. */
const MOST_WARNINGS = 100

/** What an unconfirmed commit is reported by: its warning is kept among any number of others. */
export const SYNC_REP_ROUTINE = 'SyncRepWaitForLSN'

/** After this long without an answer, in ms, a connection is asked before it is used: firewalls forget quiet flows. */
const QUIET_MS = 1000

/** How long that answer may take, in ms: a fraction of what a strict caller waits. */
const LONGEST_PROBE_MS = 1000

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
  readonly #client: PgClient
  readonly #answerTimeoutMs: number
  /** From when somebody is let in. */
  #wire: Wire | undefined
  readonly #warnings: ServerWarning[] = []
  #broken: Error | undefined
  #uses = 0
  #asked: Asked = 'nothing'
  #knowsPassword = false
  /** When the last use ended. */
  #usedAt = 0
  /** What the server said of itself. Written once, by `openSession`. */
  facts: SessionFacts | undefined

  /**
   * Not connected yet: only {@link openSession} makes one.
   *
   * @param answerTimeoutMs how long any one answer may take, in ms. `Infinity`: no limit
   */
  constructor(client: PgClient, answerTimeoutMs: number) {
    this.#client = client
    this.#answerTimeoutMs = answerTimeoutMs
    client.on('error', (error) => this.#break(error))
    client.on('end', () => this.#break(new Error('the connection was closed')))
    // By SQLSTATE, since the severity's name depends on the server's language: a NOTICE has 00000.
    client.on('notice', ({ code = '', message = '', routine }) => {
      const isKept = this.#warnings.length < MOST_WARNINGS || routine === SYNC_REP_ROUTINE
      if (code !== '00000' && isKept) this.#warnings.push({ code, message, routine })
    })
  }

  /**
   * Connects, and lets `prepare` see to what the session is like. It is of no use when either fails.
   *
   * @param timeoutMs how long each of the two may take
   */
  async connect(timeoutMs: number, prepare: (client: ClientBase) => Promise<void>): Promise<void> {
    try {
      await this.#bounded(() => this.#logIn(), timeoutMs, 'connecting')
      this.#takeOver()
      await this.#bounded(() => prepare(this.#client), timeoutMs, 'the settings of the session')
      this.#usedAt = performance.now()
      this.#client.unref()
    } catch (error) {
      this.destroy()
      throw error
    }
  }

  #logIn(): Promise<unknown> {
    const { connection } = this.#client
    const ask = (event: string, how: Asked): unknown => connection.on(event, () => (this.#asked = how))
    connection.on('sslconnect', () => guardParser(connection.stream))
    const letIn = this.#client.connect()
    // With TLS, what listens until it is agreed on is not the parser.
    if (!(this.#client.ssl as unknown)) guardParser(connection.stream)
    ask('authenticationCleartextPassword', 'cleartext')
    ask('authenticationMD5Password', 'md5')
    ask('authenticationSASL', 'scram')
    // Behind the listener of the client, which has checked it.
    connection.on('authenticationSASLFinal', () => (this.#knowsPassword = true))
    return letIn
  }

  /** What is known of whose server it is. */
  get entrance(): Entrance {
    const { connection, connectionParameters, ssl } = this.#client as unknown as {
      readonly connection: { readonly stream: Partial<TLSSocket> }
      readonly connectionParameters: { readonly password: unknown; readonly isDomainSocket: boolean }
      readonly ssl: false | { readonly checkServerIdentity?: unknown }
    }
    const { authorized, remoteAddress } = connection.stream
    const isNameChecked = ssl !== false && ssl.checkServerIdentity === undefined
    return {
      isLocal: connectionParameters.isDomainSocket || isLoopback(remoteAddress ?? ''),
      isVerified: authorized === true && isNameChecked,
      asked: this.#asked,
      knowsPassword: this.#knowsPassword,
      hasPassword: connectionParameters.password !== null,
    }
  }

  #takeOver(): void {
    const wire = new Wire(this.#client.connection, (error) => this.destroy(error))
    this.#wire = wire
    const query = async (
      config: string | StatementConfig,
      values?: unknown[],
    ): Promise<Result | undefined> => {
      const given = typeof config === 'string' ? { text: config } : config
      const statement: StatementConfig = values === undefined ? given : { ...given, values }
      const [result] = await new Promise<readonly Result[]>((resolve, reject) => {
        wire.run(new Request([statement], statement.alone === true, resolve, reject))
      })
      return result
    }
    Object.defineProperty(this.#client, 'query', { value: query })
  }

  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  /** Whether it can be used. One that was quiet for a while is asked first, and given up when it does not answer soon. */
  async answers(): Promise<boolean> {
    if (this.isBroken) return false
    if (this.#uses > 0 || performance.now() - this.#usedAt < QUIET_MS) return true
    try {
      await this.run(
        (client) => client.query('select 1'),
        Math.min(LONGEST_PROBE_MS, this.#answerTimeoutMs / 4),
      )
      return true
    } catch {
      this.destroy()
      return false
    }
  }

  /** Warnings of the server since the last call. */
  takeWarnings(): ServerWarning[] {
    return this.#warnings.splice(0)
  }

  /** Runs `work` on the connection, within the answer time, or less. */
  async run<T>(work: (client: ClientBase, wire: Wire) => Promise<T>, longestMs?: number): Promise<T> {
    const wire = this.#use()
    try {
      return await this.#bounded(() => work(this.#client, wire), longestMs)
    } finally {
      this.#release()
    }
  }

  /**
   * Begins an exchange whose answer is as long as it is: it sees itself to a server that stops in the middle.
   *
   * @returns what to call when it has ended
   */
  submit(exchange: Exchange): () => void {
    this.#use().run(exchange)
    return () => this.#release()
  }

  /** Cuts the socket. What was sent may still be carried out. */
  destroy(why = new Error('the connection was given up')): void {
    this.#break(why)
    // `end` would wait for a server that may hang; node-postgres has no other way to let go of the socket.
    this.#client.connection.stream.destroy()
  }

  #break(why: Error): void {
    this.#broken ??= why
    this.#wire?.fail(this.#broken)
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

  #use(): Wire {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#wire === undefined) throw new Error('the connection is not open yet')
    if (this.#uses++ === 0) this.#client.ref()
    return this.#wire
  }

  #release(): void {
    if (--this.#uses > 0) return
    this.#usedAt = performance.now()
    this.#client.unref()
  }

  async #bounded<T>(work: () => Promise<T>, longestMs = Number.POSITIVE_INFINITY, what?: string): Promise<T> {
    const ms = Math.min(longestMs, this.#answerTimeoutMs)
    if (ms === Number.POSITIVE_INFINITY) return untraced(work)
    let timer: NodeJS.Timeout | undefined
    let isDone = false
    const timeUp = new Promise<never>((_, reject) => {
      const giveUp = (): void => {
        reject(new NoAnswer(`${what === undefined ? '' : `${what}: `}no answer within ${ms} ms`))
        this.destroy()
      }
      timer = setTimeout(() => void this.#heard().then(() => isDone || giveUp()), ms)
    })
    try {
      return await Promise.race([untraced(work), timeUp])
    } finally {
      isDone = true
      clearTimeout(timer)
    }
  }

  /** A process that was frozen finds the answer in the socket: what is there already is read before anything is given up. */
  async #heard(): Promise<void> {
    const { stream } = this.#client.connection
    for (let read = -1; read !== stream.bytesRead; await new Promise<void>((turn) => setImmediate(turn))) {
      read = stream.bytesRead
      // The first turn may still be that of the timers.
      await new Promise<void>((turn) => setImmediate(turn))
    }
  }
}

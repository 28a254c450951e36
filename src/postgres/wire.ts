/** A message of the server, as the parser of `pg` gives it. */
export interface Message {
  readonly name: string
  readonly status?: string
  readonly text?: string
  readonly fields?: readonly unknown[]
  readonly code?: string
  readonly severity?: string
  readonly chunk?: Buffer
}

/** The connection inside a client of `pg`: what its own cursors and streams are built on. */
export interface PgConnection {
  readonly stream: NodeJS.ReadWriteStream & {
    readonly bytesRead: number
    destroy(error?: Error): void
    cork?(): void
    uncork?(): void
  }
  query(text: string): void
  parse(statement: { readonly text: string; readonly name: string; readonly types: readonly number[] }): void
  bind(portal: {
    readonly portal: ''
    readonly statement: string
    readonly values: readonly (string | Buffer | null)[]
    readonly binary: false
    readonly valueMapper: undefined
  }): void
  describe(what: { readonly type: 'P'; readonly name: '' }): void
  execute(portal: { readonly portal: ''; readonly rows: 0 }): void
  sync(): void
  on(event: string, listener: (message: Message) => void): unknown
  removeAllListeners(event: string): unknown
}

/** What came is not an answer to what was sent. What was sent may have been carried out. */
export class BadAnswer extends Error {
  override readonly name = 'BadAnswer'
}

/** One request, and who reads the answer to it. */
export interface Exchange {
  send(wire: Wire): void
  /** @throws BadAnswer for a message that cannot come here */
  take(message: Message): void
  /** After ReadyForQuery. @param error what the server answered instead */
  end(status: string, error: Error | undefined): void
  /** There will be no more of the answer. */
  fail(error: Error): void
}

/** Which listeners of the client it takes the place of, once somebody is let in. */
const TAKEN = [
  'rowDescription',
  'dataRow',
  'portalSuspended',
  'emptyQuery',
  'commandComplete',
  'parseComplete',
  'copyInResponse',
  'copyData',
  'readyForQuery',
  'errorMessage',
  'notification',
]

/** What may come at any time, and says nothing about a statement. */
const ASIDE = new Set(['notice', 'parameterStatus', 'notification', 'backendKeyData'])

/**
 * Sends requests one after the other, and holds the messages of each answer to their order.
 *
 * It takes the place of the client's own queue: whoever has replaced `Client.prototype.query` neither sees nor changes
 * what goes over it. An answer that cannot be understood ends the connection.
 */
export class Wire {
  readonly connection: PgConnection
  readonly #onBroken: (error: Error) => void
  readonly #waiting: Exchange[] = []
  #current: Exchange | undefined
  /** An ERROR of the server, whose ReadyForQuery is still to come. */
  #refused: Error | undefined
  #broken: Error | undefined
  /** Names of the statements that are prepared in this session. */
  readonly prepared = new Set<string>()
  /** That of the last ReadyForQuery: `I` outside of a transaction. */
  status = 'I'

  /** @param onBroken must cut the socket */
  constructor(connection: PgConnection, onBroken: (error: Error) => void) {
    this.connection = connection
    this.#onBroken = onBroken
    for (const name of TAKEN) connection.removeAllListeners(name)
    connection.on('message', (message) => this.#take(message))
  }

  run(exchange: Exchange): void {
    if (this.#broken !== undefined) return exchange.fail(this.#broken)
    this.#waiting.push(exchange)
    this.#next()
  }

  /** There is no connection any more. */
  fail(error: Error): void {
    this.#broken ??= error
    const current = this.#current
    this.#current = undefined
    current?.fail(this.#refused ?? error)
    for (const waiting of this.#waiting.splice(0)) waiting.fail(error)
  }

  #next(): void {
    if (this.#current !== undefined) return
    this.#current = this.#waiting.shift()
    if (this.#current === undefined) return
    try {
      this.#current.send(this)
    } catch (error) {
      this.#onBroken(error as Error)
    }
  }

  #take(message: Message): void {
    if (ASIDE.has(message.name) || this.#broken !== undefined) return
    try {
      this.#answer(message)
    } catch (error) {
      this.#onBroken(error as Error)
    }
  }

  #answer(message: Message): void {
    const current = this.#current
    if (message.name === 'error' && (message.code === undefined || current === undefined)) {
      // Without a code it is the parser's, which did not know the message; without a request it ends the session.
      throw message.code === undefined ? new BadAnswer('a message that is not one of the protocol') : message
    }
    if (current === undefined) throw new BadAnswer(`${message.name} without a request`)
    if (message.name === 'error') {
      if (this.#refused !== undefined) throw new BadAnswer('a second error in one answer')
      this.#refused = message as unknown as Error
      return
    }
    if (message.name !== 'readyForQuery') {
      if (this.#refused !== undefined) throw new BadAnswer(`${message.name} behind an error`)
      return current.take(message)
    }
    const { status = '' } = message
    if (!/^[ITE]$/.test(status)) throw new BadAnswer('a transaction in an unknown state')
    if (this.#refused === undefined) current.take(message)
    const refused = this.#refused
    this.#refused = undefined
    this.#current = undefined
    this.status = status
    current.end(status, refused)
    this.#next()
  }
}

/**
 * An error of the parser is thrown into the socket's `data` event, and would end the process: it ends the connection.
 *
 * @param stream one that the parser reads already
 */
export function guardParser(stream: PgConnection['stream']): void {
  for (const listener of stream.listeners('data')) {
    stream.removeListener('data', listener as (chunk: Buffer) => void)
    stream.on('data', (chunk: Buffer) => {
      try {
        listener.call(stream, chunk)
      } catch {
        // Its message may quote what was sent.
        stream.destroy(new BadAnswer('a message that cannot be parsed'))
      }
    })
  }
}

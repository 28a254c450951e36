import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Client, Submittable } from 'pg'

/** What COPY's binary format begins and ends with. */
const HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)])
const TRAILER = Buffer.from([0xff, 0xff])

/** The messages of node-postgres that its types lack. */
interface CopyConnection {
  readonly stream: Socket
  query(sql: string): void
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

/** A `COPY … FROM STDIN (FORMAT binary)` on a client that does nothing else meanwhile. */
export class CopyIn {
  readonly #connection: CopyConnection
  readonly #done: Promise<void>

  private constructor(connection: CopyConnection, done: Promise<void>) {
    this.#connection = connection
    this.#done = done
  }

  static async begin(client: Client, sql: string): Promise<CopyIn> {
    const query = new CopyQuery(sql)
    client.query(query as unknown as Submittable)
    // A statement that is refused ends before it begins.
    const connection = await Promise.race([query.begun, query.done])
    if (connection === undefined) throw new TypeError('not a COPY FROM STDIN')
    connection.sendCopyFromChunk(HEADER)
    return new CopyIn(connection, query.done)
  }

  /** @param tuples whole ones; their bytes may be used again when it resolves */
  async write(tuples: Buffer): Promise<void> {
    // It is copied into a message.
    this.#connection.sendCopyFromChunk(tuples)
    if (!this.#connection.stream.writableNeedDrain) return
    await Promise.race([once(this.#connection.stream, 'drain'), this.#done])
  }

  /** Resolves when the server has taken all of it. @throws what the server says */
  async end(): Promise<void> {
    this.#connection.sendCopyFromChunk(TRAILER)
    this.#connection.endCopyFrom()
    await this.#done
  }
}

/** What node-postgres tells of one query. */
class CopyQuery {
  readonly begun: Promise<CopyConnection>
  readonly done: Promise<void>
  readonly #sql: string
  #begin: (connection: CopyConnection) => void = () => {}
  #end: () => void = () => {}
  #fail: (error: Error) => void = () => {}

  constructor(sql: string) {
    this.#sql = sql
    this.begun = new Promise((resolve) => {
      this.#begin = resolve
    })
    this.done = new Promise((resolve, reject) => {
      this.#end = resolve
      this.#fail = reject
    })
    // Whoever waits hears of it.
    this.done.catch(() => {})
  }

  submit(connection: CopyConnection): void {
    connection.query(this.#sql)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    this.#begin(connection)
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#end()
  }

  handleError(error: Error): void {
    this.#fail(error)
  }
}

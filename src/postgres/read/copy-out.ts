import { clearInterval, setInterval } from '../../host/globals.js'
import { type Connection, NoAnswer } from '../connection.js'
import { BadAnswer, type Exchange, type Message, type PgConnection, type Wire } from '../wire.js'

/** Reads one tuple of COPY's binary format. `at` is behind the number of its fields; the bytes are gone afterwards. */
export type ReadTuple<T> = (bytes: Buffer, at: number) => T

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
/** Signature, flags, and the length of an extension that nobody uses. */
const HEADER_BYTES = SIGNATURE.length + 8
const TRAILER = -1

/**
 * How long the server may send nothing, in ms. It sends when 8 kB have come together: a scan that looks for the rows of
 * one chain in a large trail is silent for minutes. A server that hangs is so for ever.
 */
const LONGEST_SILENCE_MS = 30 * 60_000

/** Asks elsewhere whether a silent server is there at all. */
export interface ServerWatch {
  /** After how long without a byte, in ms, and again. */
  readonly everyMs: number
  /** Never rejects. */
  isThere(): Promise<boolean>
}

const NOT_WATCHED: ServerWatch = { everyMs: LONGEST_SILENCE_MS, isThere: () => Promise.resolve(true) }

const BATCH = 1000
/** Batches that wait to be taken. Beyond that the socket is not read. */
const MOST_WAITING = 8

/**
 * `COPY … TO STDOUT (FORMAT binary)` as batches of tuples, read no faster than they are taken.
 *
 * Whoever stops before the end breaks the connection: the rest of the answer is still on its way.
 */
export function copyOut<T>(
  connection: Connection,
  sql: string,
  read: ReadTuple<T>,
  longestSilenceMs = LONGEST_SILENCE_MS,
  watch: ServerWatch = NOT_WATCHED,
): AsyncIterable<readonly T[]> {
  return { [Symbol.asyncIterator]: () => start(connection, new CopyOut(sql, read, longestSilenceMs, watch)) }
}

async function* start<T>(connection: Connection, copy: CopyOut<T>): AsyncGenerator<readonly T[], void> {
  const release = connection.submit(copy)
  try {
    for (;;) {
      const batch = await copy.next()
      if (batch === undefined) return
      yield batch
    }
  } finally {
    copy.stop()
    release()
  }
}

/** What the server answers, in this order. Between the first two any number of `copyData`. */
const ANSWER = ['copyOutResponse', 'copyDone', 'commandComplete', 'readyForQuery'] as const

class CopyOut<T> implements Exchange {
  readonly #sql: string
  readonly #read: ReadTuple<T>
  readonly #longestSilenceMs: number
  readonly #watch: ServerWatch
  #connection: PgConnection | undefined
  /** How much of {@link ANSWER} has come. */
  #step = 0
  #isPaused = false
  readonly #waiting: (readonly T[])[] = []
  #batch: T[] = []
  /** Bytes of a tuple whose rest is still to come. Postgres sends whole ones, and does not promise it. */
  #rest: Buffer = Buffer.alloc(0)
  #isBegun = false
  /** The server has sent something since this was last looked at. */
  #isHeard = false
  #ended = false
  #error: Error | undefined
  #wake: (() => void) | undefined

  constructor(sql: string, read: ReadTuple<T>, longestSilenceMs: number, watch: ServerWatch) {
    this.#sql = sql
    this.#read = read
    this.#longestSilenceMs = longestSilenceMs
    this.#watch = watch
  }

  send({ connection }: Wire): void {
    this.#connection = connection
    connection.query(this.#sql)
  }

  take({ name, chunk }: Message): void {
    if (name === 'copyData' && chunk !== undefined && this.#step === 1) return this.#receive(chunk)
    if (name !== ANSWER[this.#step]) throw new BadAnswer(`${name} out of turn`)
    this.#step++
    if (name === 'commandComplete' && this.#batch.length > 0) this.#flush()
  }

  end(_: string, error: Error | undefined): void {
    if (error !== undefined) return this.fail(error)
    this.#ended = true
    this.#wake?.()
  }

  fail(error: Error): void {
    this.#error ??= error
    this.#ended = true
    this.#wake?.()
  }

  #receive(chunk: Buffer): void {
    this.#isHeard = true
    try {
      this.#take(this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]))
    } catch (error) {
      this.#error ??= error as Error
    }
    if (this.#waiting.length >= MOST_WAITING && !this.#isPaused) {
      this.#isPaused = true
      this.#connection?.stream.pause()
    }
  }

  /** @returns undefined at the end. @throws what the server or the socket says, or NoAnswer */
  async next(): Promise<readonly T[] | undefined> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error
      const batch = this.#waiting.shift()
      if (batch !== undefined) {
        if (this.#isPaused && this.#waiting.length < MOST_WAITING / 2) {
          this.#isPaused = false
          this.#connection?.stream.resume()
        }
        return batch
      }
      if (this.#ended) return undefined
      await this.#woken()
    }
  }

  /** Until there is something to take. */
  async #woken(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        const everyMs = Math.min(this.#longestSilenceMs, this.#watch.everyMs)
        let silentMs = 0
        timer = setInterval(() => {
          silentMs = this.#isHeard ? 0 : silentMs + everyMs
          this.#isHeard = false
          if (silentMs === 0) return
          const giveUp = (): void => reject(new NoAnswer(`nothing was sent for ${silentMs} ms`))
          if (silentMs >= this.#longestSilenceMs) return giveUp()
          void this.#watch.isThere().then((isThere) => (isThere || this.#isHeard ? undefined : giveUp()))
        }, everyMs)
      })
    } finally {
      clearInterval(timer)
      this.#wake = undefined
    }
  }

  stop(): void {
    if (!this.#ended) this.#connection?.stream.destroy()
  }

  #take(bytes: Buffer): void {
    let at = 0
    if (!this.#isBegun) {
      if (bytes.length < HEADER_BYTES) return this.#keep(bytes, 0)
      if (SIGNATURE.compare(bytes, 0, SIGNATURE.length) !== 0)
        throw new Error('not the binary format of COPY')
      this.#isBegun = true
      at = HEADER_BYTES
    }
    for (;;) {
      const end = endOfTuple(bytes, at)
      if (end === undefined) return this.#keep(bytes, at)
      if (bytes.readInt16BE(at) === TRAILER) return this.#keep(bytes, end)
      this.#batch.push(this.#read(bytes, at + 2))
      if (this.#batch.length === BATCH) this.#flush()
      at = end
    }
  }

  #keep(bytes: Buffer, from: number): void {
    // A copy: the parser's buffer is written to again.
    this.#rest = from === bytes.length ? NOTHING : Buffer.from(bytes.subarray(from))
  }

  #flush(): void {
    this.#waiting.push(this.#batch)
    this.#batch = []
    this.#wake?.()
  }
}

const NOTHING = Buffer.alloc(0)

/** @returns where the tuple ends; undefined when that is not there yet */
function endOfTuple(bytes: Buffer, from: number): number | undefined {
  if (from + 2 > bytes.length) return undefined
  let at = from + 2
  for (let fields = bytes.readInt16BE(from); fields > 0; fields--) {
    if (at + 4 > bytes.length) return undefined
    const length = bytes.readInt32BE(at)
    at += 4 + Math.max(0, length)
  }
  return at > bytes.length ? undefined : at
}

import type { Readable } from 'node:stream'
import * as zlib from 'node:zlib'
import { Malformed } from './otlp/found-event.js'
import { type Slicer, TooLarge } from './otlp/slices.js'

export interface BodyLimits {
  /** Bytes of a body after decompression. */
  readonly inflated: number
  /** Bytes of all bodies that are being read, of what is held of them. */
  readonly held: number
}

type Zlib = Readonly<Record<string, unknown>>

/** Content codings, and what undoes them. `zstd` where this Node has it. */
const CODINGS: Readonly<Record<string, (() => NodeJS.ReadWriteStream) | undefined>> = {
  gzip: () => zlib.createGunzip(),
  'x-gzip': () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  zstd: (zlib as Zlib)['createZstdDecompress'] as (() => NodeJS.ReadWriteStream) | undefined,
}

/** Names of the content codings that are understood. */
export const KNOWN_CODINGS: readonly string[] = Object.entries(CODINGS)
  .filter(([name, decoder]) => decoder !== undefined && !name.startsWith('x-'))
  .map(([name]) => name)

/** @returns undefined for a coding that is not known */
export function decoded(body: Readable, coding: string | undefined): AsyncIterable<Buffer> | undefined {
  const name = coding?.trim().toLowerCase() ?? ''
  // Whoever stops reading has still to answer: the request must not be destroyed for that.
  if (name === '' || name === 'identity')
    return body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  const decoder = Object.hasOwn(CODINGS, name) ? CODINGS[name] : undefined
  if (decoder === undefined) return undefined
  const stream = decoder() as NodeJS.ReadWriteStream & Readable
  body.on('error', (error) => stream.destroy(error))
  body.pipe(stream)
  return stream as AsyncIterable<Buffer>
}

/** The server holds too much of other bodies. */
export class Crowded extends Error {
  override readonly name = 'Crowded'
}

/** Bytes that are kept of a body that is not a message, to be kept aside. */
const HEAD_BYTES = 64 * 1024

/** What there is of the bodies of all requests together. */
export class Bodies {
  readonly #limits: BodyLimits
  #held = 0
  #open = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /**
   * Reads a body as it comes.
   *
   * @param keeps how many of the bytes of these slices the caller goes on holding
   * @param flush called in between, when a request has more than this; what it holds then is over
   * @throws Malformed with its beginning, TooLarge, Crowded; and what the stream throws
   */
  async read(
    chunks: AsyncIterable<Buffer>,
    slicer: Slicer,
    most: number,
    keeps: (slices: readonly Buffer[]) => number,
    flush: () => Promise<void>,
  ): Promise<void> {
    let kept = 0
    let own = 0
    let inflated = 0
    let head: Buffer[] = []
    let headBytes = 0
    const hold = (bytes: number): void => {
      this.#held += bytes - own
      own = bytes
      if (this.#held > this.#limits.held && this.#open > 1)
        throw new Crowded('too much of other requests is held')
    }
    this.#open++
    try {
      for await (const chunk of chunks) {
        inflated += chunk.length
        if (inflated > this.#limits.inflated) throw new TooLarge('the body')
        if (headBytes < HEAD_BYTES) {
          head.push(chunk.subarray(0, HEAD_BYTES - headBytes))
          headBytes += chunk.length
        }
        kept += keeps(slicer.push(chunk))
        hold(kept + slicer.held)
        if (kept <= most) continue
        await flush()
        kept = 0
        hold(slicer.held)
      }
      slicer.end()
    } catch (error) {
      if (error instanceof Malformed || isOfDecoder(error)) throw new BadBody(Buffer.concat(head))
      throw error
    } finally {
      head = []
      this.#held -= own
      this.#open--
    }
  }
}

/** A body that is not a message, from some place on. What came before that place has been read. */
export class BadBody extends Error {
  override readonly name = 'BadBody'
  /** Its beginning. */
  readonly head: Buffer

  constructor(head: Buffer) {
    super('the body is not a message of the protocol')
    this.head = head
  }
}

/** What zlib says of bytes that it cannot undo. */
function isOfDecoder(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^(Z_|ZSTD_error_|ERR_ZSTD|ERR_ZLIB)/.test(code)
}

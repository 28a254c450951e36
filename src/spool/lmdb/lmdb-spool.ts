import { clearInterval, setInterval } from '../../host/globals.js'
import { errorText } from '../../host/error-text.js'
import { diag } from '../../host/diagnostics.js'
import { AuditError } from '../../errors.js'
import { decodeEvent } from '../../event/decode.js'
import { encodeEvent } from '../../event/digest.js'
import type { AuditEvent } from '../../event/event.js'
import { TakeOver } from '../directories/take-over.js'
import { ProcessDirectory } from '../directories/process-directory.js'
import { memoryOf, pack, unpack } from './packed.js'
import type { Spool, SpooledEvent, SpoolKey, SpoolStatus } from '../spool.js'
import { WorkerClient, WorkerFailed } from './worker-client.js'

export interface LmdbSpoolOptions {
  /** On a local disk. Made with 0700 when it is not there. */
  readonly directory: string
  /** Most bytes of entries, quarantined ones included. */
  readonly maxBytes: number
}

/** How often this process looks for entries that a dead one left, in ms. */
const TAKE_OVER_EVERY_MS = 60_000

/**
 * Opens the spool of this process, and takes over what dead processes left.
 *
 * @throws AuditError `AUDIT_MISSING_PACKAGE` when `lmdb` is not installed, `AUDIT_INVALID_OPTION` when the directory
 *   cannot be used
 */
export async function openLmdbSpool(options: LmdbSpoolOptions): Promise<LmdbSpool> {
  const directory = await ProcessDirectory.claim(options.directory).catch((cause: unknown) => {
    throw unusable(cause)
  })
  try {
    const spool = await LmdbSpool.open(directory, options.maxBytes)
    await directory.sync()
    await spool.takeOver()
    return spool
  } catch (cause) {
    await directory.leave().catch(() => {})
    if (cause instanceof WorkerFailed && cause.packageIsMissing) {
      throw new AuditError(
        'AUDIT_MISSING_PACKAGE',
        `the spool needs lmdb: npm install lmdb (${cause.message})`,
      )
    }
    throw unusable(cause)
  }
}

/** {@link Spool} in LMDB environments on disk, behind a worker thread. It serves as long as its worker does. */
export class LmdbSpool implements Spool {
  readonly #directory: ProcessDirectory
  readonly #worker: WorkerClient
  readonly #takeOver: TakeOver
  readonly #timer: NodeJS.Timeout
  #closed: Promise<void> | undefined

  private constructor(directory: ProcessDirectory, worker: WorkerClient) {
    this.#directory = directory
    this.#worker = worker
    this.#takeOver = new TakeOver(directory, worker)
    this.#timer = setInterval(() => void this.takeOver(), TAKE_OVER_EVERY_MS).unref()
  }

  /** @throws WorkerFailed */
  static async open(directory: ProcessDirectory, maxBytes: number): Promise<LmdbSpool> {
    const { ownEnvironment } = directory
    return new LmdbSpool(directory, await WorkerClient.start({ ownEnvironment, maxBytes }))
  }

  get status(): SpoolStatus {
    return this.#worker.status
  }

  async append(events: readonly AuditEvent[]): Promise<readonly SpoolKey[]> {
    const packed = pack(events.map(encodeEvent))
    const { keys } = await this.#worker.ask({ what: 'append', events: packed }, memoryOf(packed))
    return keys ?? []
  }

  async next(limit: number): Promise<readonly SpooledEvent[]> {
    const { keys = [], events } = await this.#worker.ask({ what: 'next', limit })
    const encoded = events === undefined ? [] : unpack(events)
    const read: SpooledEvent[] = []
    for (const [i, key] of keys.entries()) {
      const event = await this.#readOrQuarantine(key, encoded[i] ?? new Uint8Array())
      if (event !== undefined) read.push({ key, event })
    }
    // None of these was an event, and there may be more.
    return read.length === 0 && keys.length > 0 ? await this.next(limit) : read
  }

  async remove(keys: readonly SpoolKey[]): Promise<void> {
    await this.#worker.ask({ what: 'remove', keys })
  }

  async putBack(keys: readonly SpoolKey[]): Promise<void> {
    await this.#worker.ask({ what: 'putBack', keys })
  }

  async quarantine(key: SpoolKey, reason: string): Promise<void> {
    await this.#worker.ask({ what: 'quarantine', key, reason })
  }

  /** Takes over what processes that have died since left. Done at the start, and once a minute. Never rejects. */
  takeOver(): Promise<void> {
    return this.#takeOver.run()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    const closed = this.#worker.close()
    await this.#takeOver.stop()
    await closed.catch((error: unknown) => diag.warn('otel-audit: spool: close failed', error))
    // Not before: what this process has in its hands is not to be handed out by another.
    await this.#directory
      .leave()
      .catch((error: unknown) => diag.warn('otel-audit: spool: close failed', error))
  }

  /** Its checksum is right, so another version has written what cannot be read. */
  async #readOrQuarantine(key: SpoolKey, encoded: Uint8Array): Promise<AuditEvent | undefined> {
    try {
      return decodeEvent(encoded)
    } catch (error) {
      const reason = errorText(error)
      diag.error(`otel-audit: spool: an entry was quarantined: ${reason}`)
      await this.quarantine(key, reason).catch((failed: unknown) => diag.error('otel-audit: spool:', failed))
      return undefined
    }
  }
}

function unusable(cause: unknown): AuditError {
  const why = errorText(cause)
  return new AuditError('AUDIT_INVALID_OPTION', `the spool directory cannot be used: ${why}`, {
    cause,
    field: 'spoolDirectory',
  })
}

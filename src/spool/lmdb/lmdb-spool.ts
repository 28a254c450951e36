import { errorText } from '../../host/error-text.js'
import { diag } from '../../host/diagnostics.js'
import { AuditError } from '../../errors.js'
import type { AuditEvent } from '../../event/event.js'
import { Adoption } from '../directories/take-over.js'
import { SpoolHome } from '../directories/process-directory.js'
import { memoryOf, packTexts, unpack } from './packed.js'
import type { SpoolAnswer, SpoolRequest } from './protocol.js'
import { eventFromJson, eventToJson } from '../record.js'
import type { Spool, SpooledEvent, SpoolKey, SpoolStatus } from '../spool.js'
import { WorkerClient, WorkerFailed } from './worker-client.js'

export interface LmdbSpoolOptions {
  /** On a local disk. Made with 0700 when it is not there. */
  readonly directory: string
  /** Most bytes of entries, quarantined ones included. */
  readonly maxBytes: number
}

/** How often it is looked whether another process has died and left something, in ms. */
const ADOPT_EVERY_MS = 60_000

/**
 * Opens the spool of this process, and takes over what dead processes left.
 *
 * @throws AuditError `AUDIT_MISSING_PACKAGE` when `lmdb` is not installed, `AUDIT_INVALID_OPTION` when the directory
 *   cannot be used
 */
export async function openLmdbSpool(options: LmdbSpoolOptions): Promise<LmdbSpool> {
  const home = await SpoolHome.claim(options.directory).catch((cause: unknown) => {
    throw unusable(cause)
  })
  try {
    const spool = await LmdbSpool.open(home, options.maxBytes)
    await home.sync()
    await spool.adopt()
    return spool
  } catch (cause) {
    await home.leave().catch(() => {})
    if (cause instanceof WorkerFailed && cause.packageIsMissing) {
      throw new AuditError(
        'AUDIT_MISSING_PACKAGE',
        `the spool needs lmdb: npm install lmdb (${cause.message})`,
      )
    }
    throw unusable(cause)
  }
}

/** {@link Spool} in LMDB environments on disk, behind a worker thread. */
export class LmdbSpool implements Spool {
  readonly #home: SpoolHome
  readonly #adoption: Adoption
  readonly #timer: NodeJS.Timeout
  readonly #worker: WorkerClient
  #status: SpoolStatus
  #closed: Promise<void> | undefined

  private constructor(home: SpoolHome, worker: WorkerClient, status: SpoolStatus) {
    this.#home = home
    this.#worker = worker
    this.#status = status
    this.#adoption = new Adoption(home, {
      adopt: async (path, counts) => void (await this.#ask({ what: 'adopt', path, counts })),
      salvage: async (path) => (await this.#ask({ what: 'salvage', path })).salvaged ?? 0,
    })
    this.#timer = setInterval(() => void this.adopt(), ADOPT_EVERY_MS).unref()
  }

  /** @throws WorkerFailed */
  static async open(home: SpoolHome, maxBytes: number): Promise<LmdbSpool> {
    const { client, opened } = await WorkerClient.start(
      { ownEnvironment: home.ownEnvironment, maxBytes },
      (why) => {
        clearInterval(spool.#timer)
        diag.error(`otel-audit: spool: unavailable until the next start of this process: ${why}`)
      },
    )
    const spool = new LmdbSpool(home, client, opened)
    return spool
  }

  get status(): SpoolStatus {
    return this.#status
  }

  async append(events: readonly AuditEvent[]): Promise<readonly SpoolKey[]> {
    const packed = packTexts(events.map(eventToJson))
    const { keys } = await this.#ask({ what: 'append', events: packed }, memoryOf(packed))
    return keys ?? []
  }

  async next(limit: number): Promise<readonly SpooledEvent[]> {
    const { keys = [], events } = await this.#ask({ what: 'next', limit })
    const jsons = events === undefined ? [] : unpack(events)
    const read: SpooledEvent[] = []
    for (const [i, key] of keys.entries()) {
      const event = await this.#readOrQuarantine(key, jsons[i] ?? new Uint8Array())
      if (event !== undefined) read.push({ key, event })
    }
    // None of these was an event, and there may be more.
    return read.length === 0 && keys.length > 0 ? await this.next(limit) : read
  }

  async remove(keys: readonly SpoolKey[]): Promise<void> {
    await this.#ask({ what: 'remove', keys })
  }

  async putBack(keys: readonly SpoolKey[]): Promise<void> {
    await this.#ask({ what: 'putBack', keys })
  }

  async quarantine(key: SpoolKey, reason: string): Promise<void> {
    await this.#ask({ what: 'quarantine', key, reason })
  }

  /** Takes over what processes that have died since left. Done at the start, and once a minute. Never rejects. */
  async adopt(): Promise<void> {
    if (this.#worker.gone === undefined) await this.#adoption.run()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    const worker = this.#worker.gone === undefined ? this.#worker.close() : undefined
    await this.#adoption.stop()
    await worker?.catch((error: unknown) => diag.warn('otel-audit: spool: close failed', error))
    // Not before: what this process has in its hands is not to be handed out by another.
    await this.#home.leave().catch((error: unknown) => diag.warn('otel-audit: spool: close failed', error))
  }

  /** Its checksum is right, so another version has written what cannot be read. */
  async #readOrQuarantine(key: SpoolKey, json: Uint8Array): Promise<AuditEvent | undefined> {
    try {
      return eventFromJson(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString())
    } catch (error) {
      const reason = errorText(error)
      diag.error(`otel-audit: spool: an entry was quarantined: ${reason}`)
      await this.quarantine(key, reason).catch((failed: unknown) => diag.error('otel-audit: spool:', failed))
      return undefined
    }
  }

  async #ask(request: SpoolRequest, transferred: readonly ArrayBuffer[] = []): Promise<SpoolAnswer> {
    const answer = await this.#worker.ask(request, transferred)
    this.#status = answer.status
    for (const fault of answer.faults) diag.error(`otel-audit: spool: ${fault}`)
    return answer
  }
}

function unusable(cause: unknown): AuditError {
  const why = errorText(cause)
  return new AuditError('AUDIT_INVALID_OPTION', `the spool directory cannot be used: ${why}`, {
    cause,
    field: 'spoolDirectory',
  })
}

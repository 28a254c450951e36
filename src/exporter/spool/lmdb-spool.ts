import { Worker } from 'node:worker_threads'
import { diag } from '../../diagnostics.js'
import { AuditError } from '../../errors.js'
import type { AuditEvent } from '../../event/event.js'
import type { KeyedBytes } from './desk.js'
import { SpoolHome } from './home.js'
import type { SpoolGreeting, SpoolRequest, SpoolResponse, WorkerSettings } from './protocol.js'
import { decodeRecord, encodeRecord } from './record.js'
import { type Spool, type SpooledEvent, type SpoolKey, SpoolRefusal, type SpoolStatus } from './spool.js'

export interface LmdbSpoolOptions {
  /** Made with 0700 when it is not there, and tightened to 0700 when it is wider. */
  readonly directory: string
  /** Most bytes of entries, quarantined ones included. */
  readonly maxBytes: number
}

/** How often it is looked whether another process has died and left something, in ms. */
const ADOPT_EVERY_MS = 60_000

interface Waiting {
  resolve(response: Answered): void
  reject(refusal: SpoolRefusal): void
}
type Answered = Exclude<SpoolResponse, { refusal: unknown }>

/**
 * Opens the spool of this process, and takes over what dead processes left.
 *
 * @throws AuditError `AUDIT_MISSING_PACKAGE` when `lmdb` is not installed, `AUDIT_INVALID_OPTION` when the directory
 *   cannot be used
 */
export async function openLmdbSpool(options: LmdbSpoolOptions): Promise<Spool> {
  const home = await claimHome(options.directory)
  const settings: WorkerSettings = { ownEnvironment: home.ownEnvironment, maxBytes: options.maxBytes }
  const worker = new Worker(new URL('./lmdb-worker.js', import.meta.url), {
    workerData: settings,
    execArgv: [],
  })
  const greeting = await greetingOf(worker)
  if ('failed' in greeting) {
    await home.leave()
    throw greeting.missing
      ? new AuditError('AUDIT_MISSING_PACKAGE', `the spool needs lmdb: npm install lmdb (${greeting.failed})`)
      : new AuditError('AUDIT_INVALID_OPTION', `the spool cannot be opened: ${greeting.failed}`)
  }
  const spool = new LmdbSpool(home, worker, greeting.opened)
  await spool.adopt()
  return spool
}

class LmdbSpool implements Spool {
  readonly #home: SpoolHome
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #adoption: NodeJS.Timeout
  #status: SpoolStatus
  #lastId = 0
  #gone: string | undefined

  constructor(home: SpoolHome, worker: Worker, status: SpoolStatus) {
    this.#home = home
    this.#worker = worker
    this.#status = status
    worker.on('message', (response: SpoolResponse) => this.#answered(response))
    // A dead worker means that the spool is unavailable, and nothing more.
    worker.on('error', (error) => this.#lost(String(error)))
    worker.on('exit', () => this.#lost('its worker has ended'))
    worker.unref()
    this.#adoption = setInterval(() => void this.adopt(), ADOPT_EVERY_MS).unref()
  }

  get status(): SpoolStatus {
    return this.#status
  }

  async append(events: readonly AuditEvent[]): Promise<readonly SpoolKey[]> {
    const { keys } = await this.#ask({ what: 'append', records: events.map(encodeRecord) })
    return keys ?? []
  }

  async next(limit: number): Promise<readonly SpooledEvent[]> {
    const { entries } = await this.#ask({ what: 'next', limit })
    const events: SpooledEvent[] = []
    for (const entry of entries ?? []) {
      const event = this.#decoded(entry)
      if (event === undefined) continue
      events.push({ key: entry.key, event })
    }
    return events
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

  async close(): Promise<void> {
    if (this.#gone !== undefined) return
    clearInterval(this.#adoption)
    await this.#ask({ what: 'close' }).catch((error: unknown) =>
      diag.warn('otel-audit: spool: close failed', error),
    )
    this.#gone = 'it is closed'
    await this.#worker.terminate()
    await this.#home.leave()
  }

  /** Takes over what processes that have died since left. */
  async adopt(): Promise<void> {
    try {
      const environments = await this.#home.adopt()
      if (environments.length > 0) await this.#ask({ what: 'adopt', environments })
    } catch (error) {
      diag.error('otel-audit: spool: what a dead process left could not be taken over', error)
    }
  }

  #decoded({ key, bytes }: KeyedBytes): AuditEvent | undefined {
    try {
      return decodeRecord(bytes)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      diag.error(`otel-audit: spool: a damaged entry is set aside: ${reason}`)
      void this.quarantine(key, reason).catch((e: unknown) =>
        diag.error('otel-audit: spool: and that failed', e),
      )
      return undefined
    }
  }

  #ask(request: SpoolRequest): Promise<Answered> {
    if (this.#gone !== undefined) return Promise.reject(new SpoolRefusal('unavailable', this.#gone))
    const id = ++this.#lastId
    return new Promise<Answered>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      // What is asked keeps the process alive until it is answered; an idle spool does not.
      this.#worker.ref()
      this.#worker.postMessage({ ...request, id })
    })
  }

  #answered(response: SpoolResponse): void {
    const waiting = this.#waiting.get(response.id)
    this.#waiting.delete(response.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('refusal' in response) {
      waiting?.reject(new SpoolRefusal(response.refusal, response.message))
    } else {
      this.#status = response.status
      waiting?.resolve(response)
    }
  }

  #lost(why: string): void {
    this.#gone ??= why
    clearInterval(this.#adoption)
    for (const { reject } of this.#waiting.values()) reject(new SpoolRefusal('unavailable', why))
    this.#waiting.clear()
  }
}

async function claimHome(directory: string): Promise<SpoolHome> {
  try {
    return await SpoolHome.claim(directory)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AuditError('AUDIT_INVALID_OPTION', `the spool directory cannot be used: ${why}`, { cause })
  }
}

function greetingOf(worker: Worker): Promise<SpoolGreeting> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

import { errorText } from '../../host/error-text.js'
import { diag } from '../../host/diagnostics.js'
import type { SpoolHome } from './process-directory.js'
import { EnvironmentDamaged, inspectEnvironment } from './inspect.js'
import type { EnvironmentCounts } from '../lmdb/protocol.js'

/** What adoption needs the worker for. */
export interface AdoptingWorker {
  adopt(path: string, counts: EnvironmentCounts): Promise<void>
  /** Copies what is intact. @returns how many entries */
  salvage(path: string): Promise<number>
}

/**
 * Takes over what dead processes left: each environment is moved into the own home, inspected, and opened; one that is
 * damaged is searched for intact entries, and set aside. When the process dies in between, the next one does it again.
 */
export class Adoption {
  readonly #home: SpoolHome
  readonly #worker: AdoptingWorker
  readonly #stop = new AbortController()
  /** Environments that are open, by path. */
  readonly #adopted = new Set<string>()
  #running: Promise<void> | undefined

  constructor(home: SpoolHome, worker: AdoptingWorker) {
    this.#home = home
    this.#worker = worker
  }

  /** One at a time: who asks while one is running waits for it. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** What is not open by now waits for the next process. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const say = (path: string, error: unknown): void =>
      diag.error(
        `otel-audit: spool: ${path} could not be taken over, and is tried again: ${errorText(error)}`,
      )
    try {
      for (const path of await this.#home.takeOver(say)) {
        if (this.#stop.signal.aborted) return
        if (this.#adopted.has(path)) continue
        await this.#adopt(path).catch((error: unknown) => {
          if (!this.#stop.signal.aborted) say(path, error)
        })
      }
    } catch (error) {
      say(this.#home.path, error)
    }
  }

  async #adopt(path: string): Promise<void> {
    try {
      const { entries, bytes, quarantined } = await inspectEnvironment(path, 'write', this.#stop.signal)
      await this.#worker.adopt(path, { entries, bytes, quarantined })
      this.#adopted.add(path)
    } catch (error) {
      if (!(error instanceof EnvironmentDamaged)) throw error
      const salvaged = await this.#worker.salvage(path)
      const aside = await this.#home.setAside(path, error.message)
      diag.error(
        `otel-audit: spool: an environment is damaged (${error.message}): ${salvaged} intact entries were read, ` +
          `and it was set aside as ${aside}`,
      )
    }
  }
}

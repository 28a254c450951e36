import { errorText } from '../../host/error-text.js'
import { diag } from '../../host/diagnostics.js'
import type { WorkerClient } from '../lmdb/worker-client.js'
import { EnvironmentDamaged, inspectEnvironment } from './inspect.js'
import type { ProcessDirectory } from './process-directory.js'

/**
 * Takes over what dead processes left: each environment is moved into the own directory, inspected, and opened; one that
 * is damaged is searched for intact entries, and set aside. When this process dies in between, the next one does it again.
 *
 * One round at a time, and none once it is stopped: what is moved into a directory that is being left would wait for
 * nothing but the next start.
 */
export class TakeOver {
  readonly #directory: ProcessDirectory
  readonly #worker: WorkerClient
  readonly #stop = new AbortController()
  /** Environments that are open, by path. */
  readonly #opened = new Set<string>()
  #running: Promise<void> | undefined

  constructor(directory: ProcessDirectory, worker: WorkerClient) {
    this.#directory = directory
    this.#worker = worker
  }

  /** While a round is running, its end is waited for. Does nothing when it is stopped, or the worker gone. Never rejects. */
  run(): Promise<void> {
    if (this.#stop.signal.aborted || !this.#worker.isServing) return this.#running ?? Promise.resolve()
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Resolves when the round in progress has ended; what is not open by then waits for the next process. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const report = (path: string, error: unknown): void =>
      diag.error(
        `otel-audit: spool: ${path} could not be taken over, and will be tried again: ${errorText(error)}`,
      )
    try {
      for (const path of await this.#directory.takeOver(report)) {
        if (this.#stop.signal.aborted) return
        if (this.#opened.has(path)) continue
        await this.#open(path).catch((error: unknown) => {
          if (!this.#stop.signal.aborted) report(path, error)
        })
      }
    } catch (error) {
      report(this.#directory.path, error)
    }
  }

  async #open(path: string): Promise<void> {
    try {
      const { entries, bytes, quarantined } = await inspectEnvironment(path, 'write', this.#stop.signal)
      await this.#worker.ask({ what: 'takeOver', path, counts: { entries, bytes, quarantined } })
      this.#opened.add(path)
    } catch (error) {
      if (!(error instanceof EnvironmentDamaged)) throw error
      await this.#salvage(path, error.message)
    }
  }

  async #salvage(path: string, damage: string): Promise<void> {
    const { salvaged = 0 } = await this.#worker.ask({ what: 'salvage', path })
    const aside = await this.#directory.setAside(path, damage)
    diag.error(
      `otel-audit: spool: an environment is damaged (${damage}): ${salvaged} intact entries were read, ` +
        `and it was set aside as ${aside}`,
    )
  }
}

import { Worker } from 'node:worker_threads'
import { diag } from '../../host/diagnostics.js'
import { invariant } from '../../host/invariant.js'
import { packageFile } from '../../host/package-file.js'
import { ExitGate } from './exit-gate.js'
import type {
  NumberedRequest,
  SpoolAnswer,
  SpoolGreeting,
  SpoolRequest,
  SpoolResponse,
  WorkerSettings,
} from './protocol.js'
import { SpoolRefusal, type SpoolStatus } from '../spool.js'

/** Keeps the memory of the worker small: with the 48 MiB of the default it holds as much of garbage. */
const YOUNG_GENERATION_MB = 4

/** How long the end of the process may wait for the worker, in ms: for one fsync, and a disk that is slow. */
const LONGEST_EXIT_MS = 10_000

interface Waiting {
  readonly resolve: (answer: SpoolAnswer) => void
  readonly reject: (refusal: SpoolRefusal) => void
}

/** `lmdb` is not installed, or the environment could not be opened. */
export class WorkerFailed extends Error {
  override readonly name = 'WorkerFailed'
  readonly packageIsMissing: boolean

  constructor(message: string, packageIsMissing: boolean) {
    super(message)
    this.packageIsMissing = packageIsMissing
  }
}

type State = 'serving' | 'closed' | 'lost'

/**
 * The process's side of the spool's worker.
 *
 * ```
 * serving ──close()──▶ closed     what was asked before is served, then the worker is ended
 *    └──worker ends──▶ lost       what was asked is refused, as is everything after it
 * ```
 *
 * A lost worker means that the spool is unavailable until the next start, and nothing more: a second worker might find
 * the disk in a state that the first one did not know of.
 */
export class WorkerClient {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #state: State = 'serving'
  /** Why it takes no more requests. */
  #reason = ''
  #status: SpoolStatus
  #lastId = 0

  private constructor(worker: Worker, opened: SpoolStatus) {
    this.#worker = worker
    this.#status = opened
    worker.on('message', (response: SpoolResponse) => this.#onResponse(response))
    worker.on('error', (error) => this.#onEnd(`its worker has failed: ${error.message}`))
    worker.on('exit', () => this.#onEnd('its worker has ended'))
    worker.unref()
  }

  /** @throws WorkerFailed */
  static async start(settings: Omit<WorkerSettings, 'gate'>): Promise<WorkerClient> {
    const gate = new ExitGate()
    const worker = new Worker(packageFile('./worker.js', import.meta.url), {
      workerData: { ...settings, gate: gate.memory } satisfies WorkerSettings,
      name: 'otel-audit spool',
      // Neither flags nor variables of the process: `--import otel-audit/register` would start a second pipeline there.
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    // The process ends the worker as well.
    const onExit = (): void => gate.shut(LONGEST_EXIT_MS)
    process.once('exit', onExit)
    worker.once('exit', () => process.removeListener('exit', onExit))
    const greeting = await greetingOf(worker)
    if ('opened' in greeting) return new WorkerClient(worker, greeting.opened)
    await worker.terminate()
    throw new WorkerFailed(greeting.failed, greeting.missing)
  }

  get isServing(): boolean {
    return this.#state === 'serving'
  }

  /** As of the last answer. */
  get status(): SpoolStatus {
    return this.#status
  }

  /** @throws SpoolRefusal */
  ask(request: SpoolRequest, transferred: readonly ArrayBuffer[] = []): Promise<SpoolAnswer> {
    if (!this.isServing) return Promise.reject(new SpoolRefusal('unavailable', this.#reason))
    const numbered: NumberedRequest = { ...request, id: ++this.#lastId }
    return new Promise((resolve, reject) => {
      this.#waiting.set(numbered.id, { resolve, reject })
      // What is asked keeps the process alive until it is answered; an idle spool does not.
      this.#worker.ref()
      this.#worker.postMessage(numbered, transferred)
    })
  }

  /** Serves what was asked before, and takes no more. Does nothing when it is closed or lost. */
  async close(): Promise<void> {
    if (!this.isServing) return
    const closed = this.ask({ what: 'close' })
    this.#stop('closed', 'it is closed')
    try {
      await closed
    } finally {
      await this.#worker.terminate()
    }
  }

  #onResponse(response: SpoolResponse): void {
    const waiting = this.#waiting.get(response.id)
    this.#waiting.delete(response.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('refusal' in response) {
      waiting?.reject(new SpoolRefusal(response.refusal, response.message))
      return
    }
    this.#status = response.status
    for (const fault of response.faults) diag.error(`otel-audit: spool: ${fault}`)
    waiting?.resolve(response)
  }

  #onEnd(why: string): void {
    if (this.isServing) {
      this.#stop('lost', why)
      diag.error(`otel-audit: spool: unavailable until the next start of this process: ${why}`)
    }
    for (const { reject } of this.#waiting.values()) reject(new SpoolRefusal('unavailable', why))
    this.#waiting.clear()
  }

  #stop(state: Exclude<State, 'serving'>, reason: string): void {
    invariant(this.#state === 'serving', `a worker that is ${this.#state} does not become ${state}`)
    this.#state = state
    this.#reason = reason
  }
}

function greetingOf(worker: Worker): Promise<SpoolGreeting> {
  return new Promise((resolve) => {
    const fail = (failed: string): void => resolve({ failed, missing: false })
    worker.once('message', resolve)
    worker.once('error', (error) => fail(error.message))
    worker.once('exit', () => fail('its worker has ended'))
  })
}

import { Worker } from 'node:worker_threads'
import { ExitGate } from './exit-gate.js'
import type {
  NumberedRequest,
  SpoolAnswer,
  SpoolGreeting,
  SpoolRequest,
  SpoolResponse,
  WorkerSettings,
} from './protocol.js'
import { SpoolRefusal } from '../spool.js'

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

/**
 * The process's side of the spool's worker. A worker that dies means that the spool is unavailable until the next
 * start, and nothing more: a second one might find the disk in a state that the first one did not know of.
 */
export class WorkerClient {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #onLost: (why: string) => void
  #lastId = 0
  #gone: string | undefined

  private constructor(worker: Worker, onLost: (why: string) => void) {
    this.#worker = worker
    this.#onLost = onLost
    worker.on('message', (response: SpoolResponse) => this.#answered(response))
    worker.on('error', (error) => this.#lost(`its worker has failed: ${error.message}`))
    worker.on('exit', () => this.#lost('its worker has ended'))
    worker.unref()
  }

  /** @throws WorkerFailed */
  static async start(
    settings: Omit<WorkerSettings, 'gate'>,
    onLost: (why: string) => void,
  ): Promise<{ readonly client: WorkerClient; readonly opened: SpoolAnswer['status'] }> {
    const gate = new ExitGate()
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
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
    if ('opened' in greeting) return { client: new WorkerClient(worker, onLost), opened: greeting.opened }
    await worker.terminate()
    throw new WorkerFailed(greeting.failed, greeting.missing)
  }

  /** Why it takes no more requests. */
  get gone(): string | undefined {
    return this.#gone
  }

  /** @throws SpoolRefusal */
  ask(request: SpoolRequest, transferred: readonly ArrayBuffer[] = []): Promise<SpoolAnswer> {
    if (this.#gone !== undefined) return Promise.reject(new SpoolRefusal('unavailable', this.#gone))
    const numbered: NumberedRequest = { ...request, id: ++this.#lastId }
    return new Promise((resolve, reject) => {
      this.#waiting.set(numbered.id, { resolve, reject })
      // What is asked keeps the process alive until it is answered; an idle spool does not.
      this.#worker.ref()
      this.#worker.postMessage(numbered, transferred)
    })
  }

  /** Serves what was asked before, and takes no more. */
  async close(): Promise<void> {
    const closed = this.ask({ what: 'close' })
    this.#gone ??= 'it is closed'
    try {
      await closed
    } finally {
      await this.#worker.terminate()
    }
  }

  #answered(response: SpoolResponse): void {
    const waiting = this.#waiting.get(response.id)
    this.#waiting.delete(response.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('refusal' in response) waiting?.reject(new SpoolRefusal(response.refusal, response.message))
    else waiting?.resolve(response)
  }

  #lost(why: string): void {
    if (this.#gone === undefined) {
      this.#gone = why
      this.#onLost(why)
    }
    for (const { reject } of this.#waiting.values()) reject(new SpoolRefusal('unavailable', why))
    this.#waiting.clear()
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

import type { Worker } from 'node:worker_threads'
import { errorText } from '../../host/error-text.js'
import { packageFile } from '../../host/package-file.js'
import { startThread } from '../start-thread.js'
import type { ThreadMessage, ThreadRequest } from './protocol.js'

type Answer = Extract<ThreadMessage, { readonly what: 'written' | 'checked' | 'closed' }>
type Question = Extract<ThreadRequest, { readonly what: 'write' | 'check' | 'close' }>
/** A question without the number that its answer will name. */
type Unnumbered<Q> = Q extends unknown ? Omit<Q, 'id'> : never

/** The thread has ended before it answered. */
export class ThreadEnded extends Error {
  override readonly name = 'ThreadEnded'
  /** It may have begun with what it was asked. */
  readonly hasBegun: boolean

  constructor(why: string, hasBegun: boolean) {
    super(why)
    this.hasBegun = hasBegun
  }
}

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (ended: ThreadEnded) => void
}

/** Who hears what a thread says without being asked, and that it has ended. */
export interface ThreadListener {
  onMessage(message: Exclude<ThreadMessage, Answer | { readonly what: 'ready' }>): void
  /** Once, unless it was ended by {@link WriterThread.end}. */
  onEnd(why: string): void
}

/** A writer thread, from its start to its end. An idle one does not keep the process alive. */
export class WriterThread {
  readonly #worker: Worker
  readonly #listener: ThreadListener
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #isReady = false
  #hasEnded = false

  /** @throws AuditError `AUDIT_PACKAGE` when its program is not there, `AUDIT_WRITER_THREAD` when there can be no threads */
  constructor(listener: ThreadListener) {
    this.#listener = listener
    this.#worker = startThread(packageFile('./worker.js', import.meta.url), 'otel-audit writer')
    this.#worker.on('message', (message: ThreadMessage) => this.#onMessage(message))
    this.#worker.on('error', (error) => this.#onEnd(errorText(error)))
    this.#worker.on('exit', (code) => this.#onEnd(`exit code ${code}`))
    this.#worker.unref()
  }

  /** What is not answered. */
  tell(message: Extract<ThreadRequest, { readonly what: 'open' | 'url' }>): void {
    if (!this.#hasEnded) this.#worker.postMessage(message)
  }

  /** @throws ThreadEnded */
  ask(question: Unnumbered<Question>): Promise<Answer> {
    if (this.#hasEnded) return Promise.reject(new ThreadEnded('it has ended', false))
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.ref()
      this.#worker.postMessage({ ...question, id })
    })
  }

  /** Ends it, whatever it does. What was asked counts as not answered. */
  async end(why: string): Promise<void> {
    this.#refuse(why)
    await this.#worker.terminate()
  }

  #onMessage(message: ThreadMessage): void {
    if (this.#hasEnded) return
    this.#isReady = true
    if (message.what === 'ready') return
    if (message.what !== 'written' && message.what !== 'checked' && message.what !== 'closed')
      return this.#listener.onMessage(message)
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    waiting?.resolve(message)
  }

  #onEnd(why: string): void {
    if (this.#hasEnded) return
    this.#refuse(why)
    this.#listener.onEnd(why)
  }

  #refuse(why: string): void {
    this.#hasEnded = true
    for (const { reject } of this.#waiting.values()) reject(new ThreadEnded(why, this.#isReady))
    this.#waiting.clear()
  }
}

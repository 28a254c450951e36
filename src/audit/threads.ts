import { BroadcastChannel, threadId, type Worker } from 'node:worker_threads'
import { clearTimeout, setTimeout } from '../host/globals.js'
import { diag } from '../host/diagnostics.js'

/** Threads of another version of this package may listen: the name is that of the messages. */
const CHANNEL = 'otel-audit.threads.v1'

/** What the pipeline of a thread is asked for: to store what waits; to end, with what waits stored. */
type Wish = 'flush' | 'close'

type Message =
  /** A thread has a pipeline of its own. */
  | { readonly is: 'here'; readonly from: number }
  | { readonly is: 'asked'; readonly to: number; readonly wish: Wish; readonly question: string }
  | { readonly is: 'answered'; readonly from: number; readonly question: string }

interface Child {
  hasPipeline: boolean
  /** Settles when it has ended, in whatever way. */
  readonly ended: Promise<void>
}

/**
 * The pipelines of the threads below this one. A preload runs in every worker thread, and no signal reaches a thread: when the
 * process ends, each thread sees to the threads that it has started, and so on down. What the application says to its threads
 * is not touched.
 */
export class Threads {
  readonly #channel = new BroadcastChannel(CHANNEL)
  readonly #children = new Map<number, Child>()
  readonly #waiting = new Map<string, () => void>()
  readonly #fulfil: (wish: Wish) => Promise<void>
  #questions = 0
  #asking = 0

  /** @param fulfil what the thread above asks of this one, with all below. MUST NOT reject */
  constructor(fulfil: (wish: Wish) => Promise<void>) {
    this.#fulfil = fulfil
    process.on('worker', (worker) => this.#started(worker))
    this.#channel.addEventListener('message', (event) => this.#heard((event as MessageEvent).data as Message))
    this.#channel.unref()
    this.#send({ is: 'here', from: threadId })
  }

  /**
   * Resolves when the threads below have done it, or ended. One that is busy does not answer: after `timeoutMs` that is said, and
   * not waited for any more.
   */
  async ask(wish: Wish, timeoutMs: number): Promise<void> {
    const asked = [...this.#children].filter(([, { hasPipeline }]) => hasPipeline)
    if (asked.length === 0) return
    let silent = asked.length
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    const answers = asked.map(async ([id, { ended }]) => {
      await this.#answerOf(id, wish, ended)
      silent--
    })
    if (this.#asking++ === 0) this.#channel.ref()
    await Promise.race([late, Promise.all(answers)])
    if (--this.#asking === 0) this.#channel.unref()
    clearTimeout(timer)
    if (silent > 0) {
      diag.error(
        `otel-audit: threads of this process that have not answered within ${timeoutMs} ms: ${silent}. Async events that they have recorded may not be stored`,
      )
    }
  }

  #started(worker: Worker): void {
    const id = worker.threadId
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        this.#children.delete(id)
        resolve()
      })
    })
    this.#children.set(id, { hasPipeline: false, ended })
  }

  #heard(message: Message): void {
    if (message.is === 'here') {
      const child = this.#children.get(message.from)
      if (child !== undefined) child.hasPipeline = true
    } else if (message.is === 'answered') {
      this.#waiting.get(message.question)?.()
    } else if (message.to === threadId) {
      const { question } = message
      void this.#fulfil(message.wish).then(() => this.#send({ is: 'answered', from: threadId, question }))
    }
  }

  async #answerOf(to: number, wish: Wish, ended: Promise<void>): Promise<void> {
    const question = `${threadId}.${++this.#questions}`
    const answer = new Promise<void>((resolve) => this.#waiting.set(question, resolve))
    this.#send({ is: 'asked', to, wish, question })
    await Promise.race([answer, ended])
    this.#waiting.delete(question)
  }

  #send(message: Message): void {
    this.#channel.postMessage(message)
  }
}

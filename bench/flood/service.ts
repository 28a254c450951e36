import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { type Audit, createAudit } from 'otel-audit'
import { access } from '../access.js'
import type { Answer, Order } from './protocol.js'

// A service that is flooded: `node service.js <database URL> [<spool directory>]`, with an IPC channel.

/** Records of one turn of the event loop: requests that came in together. */
const RECORDS_A_TURN = 20
/** Half of the queue's default bound. */
const MOST_PENDING = 8192
const SAMPLE_EVERY_MS = 10

/** Watches memory and event loop from one answer to the next. */
class Watch {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 })
  #began = performance.now()
  #peak = 0

  constructor() {
    this.#delay.enable()
    setInterval(() => {
      this.#peak = Math.max(this.#peak, process.memoryUsage.rss())
    }, SAMPLE_EVERY_MS).unref()
  }

  report({ dropped, spooled }: Pick<Answer, 'dropped' | 'spooled'>): Answer {
    const rss = process.memoryUsage.rss()
    const answer: Answer = {
      rss,
      peakRss: Math.max(this.#peak, rss),
      seconds: (performance.now() - this.#began) / 1000,
      blockedMs: { max: this.#delay.max / 1e6, p99: this.#delay.percentile(99) / 1e6 },
      dropped,
      spooled,
    }
    this.restart()
    return answer
  }

  restart(): void {
    this.#delay.reset()
    this.#peak = 0
    this.#began = performance.now()
  }
}

async function serve(databaseUrl: string, spoolDirectory: string | undefined): Promise<void> {
  const audit = createAudit({ databaseUrl, spoolDirectory, closeTimeoutMs: 600_000 })
  await audit.start()
  const watch = new Watch()
  // Fresh: whatever recording adds, the young generation of V8 as well, is counted. And what an idle loop on this machine
  // shows, for comparison.
  await sleep(1000)
  const answer = (andThen = (): void => {}): void => {
    process.send?.(watch.report(countsOf(audit)), undefined, undefined, andThen)
  }
  process.on('message', (order: Order) => {
    watch.restart()
    if (order.what === 'record') void record(audit, order.events, order.rate).then(() => answer())
    // Nothing else keeps the process alive then.
    else void settle(audit).then(() => answer(() => process.disconnect()))
  })
  answer()
}

/** @param rate a second, at most; and with a spool no more than it takes, so that the queue is not full */
async function record(audit: Audit, events: number, rate: number): Promise<void> {
  const { service, settings } = audit
  const hasSpool = settings.spoolDirectory !== undefined
  const began = performance.now()
  for (let n = 0; n < events; ) {
    if (hasSpool && audit.stats().pending > MOST_PENDING) {
      await sleep(1)
      continue
    }
    const due = Math.min(events, ((performance.now() - began) / 1000) * rate)
    const end = Math.min(n + RECORDS_A_TURN, due)
    while (n < end) service.recordAsync(access(n++).fields)
    await turn()
  }
}

async function settle(audit: Audit): Promise<void> {
  await drained(audit)
  await audit.close()
}

/** Resolves when nothing waits, neither in memory nor in the spool. */
async function drained(audit: Audit): Promise<void> {
  for (;;) {
    const { pending, spoolIn, spoolOut } = audit.stats()
    if (pending === 0 && spoolIn === spoolOut) return
    await sleep(10)
  }
}

function countsOf(audit: Audit): Pick<Answer, 'dropped' | 'spooled'> {
  const { droppedAsync, spoolIn, spoolOut } = audit.stats()
  return { dropped: droppedAsync, spooled: spoolOut - spoolIn }
}

const [databaseUrl = '', spoolDirectory] = process.argv.slice(2)
await serve(databaseUrl, spoolDirectory)

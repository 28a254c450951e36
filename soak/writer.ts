import { setTimeout as sleep } from 'node:timers/promises'
import { diag, DiagConsoleLogger, DiagLogLevel } from '@opentelemetry/api'
import { type Audit, AuditError, type AuditFields, createAudit, Operation, Outcome } from 'otel-audit'
import { JournalWriter } from './journal.js'
import { JOURNAL_FILE, type WriterOrders } from './orders.js'

/** Strict callers at once. */
const CALLERS = 24
/** Most async events that are not known to be on disk: a spool that does not work stops the load. */
const WINDOW = 256
/** Longest the window may be shut, in ms: a safety net. */
const STALLED_MS = 30_000
const OUTCOMES = [Outcome.Ok, Outcome.Ok, Outcome.Ok, Outcome.CredentialNotFound] as const

/** The process that is killed: a service that records without a pause, and reports every answer that it gets. */
class Writer {
  readonly #audit: Audit
  readonly #journal = new JournalWriter(JOURNAL_FILE)
  readonly #orders: WriterOrders
  /** Async events that are not known to be on disk. That they are stored does not count: they are to be on disk before. */
  readonly #open = new Set<string>()
  #next: number
  #ending = false

  constructor(orders: WriterOrders) {
    this.#orders = orders
    this.#next = orders.firstEvent
    const { databaseUrl, spoolDirectory, enrolmentKeyFile, mode, writerThread } = orders
    this.#audit = createAudit({
      databaseUrl,
      spoolDirectory,
      enrolmentKeyFile,
      writerThread,
      spoolMode: 'always',
      strict: mode === 'strict',
      // Both shorter than the longer outages, and longer than the shorter ones.
      answerTimeoutMs: 1000,
      deadlineMs: 1500,
      serviceName: 'soak',
    })
    this.#audit.onSettled((auditId, fate) => {
      this.#journal.write({ what: 'fate', auditId: `${auditId}`, fate })
    })
    this.#audit.onSpooled((auditId) => {
      this.#open.delete(`${auditId}`)
      this.#journal.write({ what: 'on-disk', auditId: `${auditId}` })
    })
  }

  async run(): Promise<void> {
    await this.#started()
    console.log('working')
    const { mode } = this.#orders
    const callers = mode === 'async' ? 0 : CALLERS
    const work = Array.from({ length: callers }, () => this.#strictCaller())
    if (mode !== 'strict') work.push(this.#asyncCaller())
    await Promise.all(work)
    await this.#audit.close({ timeoutMs: 60_000 })
    this.#journal.write({ what: 'closed' })
  }

  end(): void {
    this.#ending = true
  }

  /** In strict mode it does not start while the database is away. */
  async #started(): Promise<void> {
    for (;;) {
      try {
        await this.#audit.start()
        return
      } catch (error) {
        if (!(error instanceof AuditError) || error.code !== 'AUDIT_SELF_TEST' || this.#ending) throw error
        await sleep(50)
      }
    }
  }

  async #strictCaller(): Promise<void> {
    while (!this.#ending) {
      const { n, fields } = this.#event('strict')
      try {
        const receipt = await this.#audit.service.record(fields, this.#inMode('strict'))
        if (receipt === undefined) throw new Error('a strict record without a receipt')
        this.#journal.write({ what: 'granted', n, auditId: `${receipt.auditId}` })
      } catch (error) {
        if (!(error instanceof AuditError)) throw error
        const { auditId, row, code } = error
        this.#journal.write({ what: 'refused', n, auditId: `${auditId}`, row, code })
      }
      await sleep(Math.random() * 20)
    }
  }

  async #asyncCaller(): Promise<void> {
    while (!this.#ending) {
      for (let burst = Math.random() * 12; burst > 0; burst--) {
        const { n, fields } = this.#event('async')
        const auditId = `${this.#audit.service.recordAsync(fields)}`
        this.#open.add(auditId)
        this.#journal.write({ what: 'accepted', n, auditId })
      }
      await sleep(Math.random() * 20)
      await this.#windowIsOpen()
    }
  }

  async #windowIsOpen(): Promise<void> {
    for (let waited = 0; this.#open.size >= WINDOW; waited += 5) {
      if (waited > STALLED_MS) throw new Error(`${this.#open.size} events do not reach the disk`)
      await sleep(5)
    }
  }

  /** In strict mode the policy decides; in mixed mode the call. */
  #inMode(mode: 'strict' | 'async') {
    return this.#orders.mode === 'mixed' ? { mode } : {}
  }

  #event(mode: 'strict' | 'async'): { n: number; fields: AuditFields } {
    const n = this.#next++
    const outcome = OUTCOMES[n % OUTCOMES.length] ?? Outcome.Ok
    this.#journal.write({ what: 'emit', n, mode, outcome })
    const fields = {
      credential: `secret-${n % 100}`,
      operation: Operation.GetCredential,
      outcome,
      executionId: BigInt(n),
    }
    return { n, fields }
  }
}

diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.ERROR)
const writer = new Writer(JSON.parse(process.argv[2] ?? '{}') as WriterOrders)
process.stdin.on('data', () => writer.end())
// Its parent is gone.
process.stdin.on('end', () => process.exit(1))
writer.run().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error('the writer failed:', error)
    process.exit(1)
  },
)

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { JournalWriter } from '../journal.js'
import { JOURNAL_FILE } from '../orders.js'
import type { SenderLine, SenderOrders, SentEvent } from './sent.js'

/** Requests at once. */
const REQUESTS = 8
const SIZES = [1, 1, 8, 8, 40, 200] as const
const OUTCOMES = ['ok', 'ok', 'ok', 'credential_not_found'] as const
/** Events of one span. */
const PER_SPAN = 3
/** 2024-01-01T00:00:00Z: the zero of the ids' time, in ms since the Unix epoch. */
const SNOWFLAKE_EPOCH_MS = 1_704_067_200_000
/** Events without an outcome. A gateway keeps a hundred of one service an hour. */
const MOST_INCOMPLETE = 40

interface Span {
  readonly spanId: string
  readonly events: readonly SentEvent[]
}

/** The process that sends: strict code of another language, which goes on only with a 200. */
class Sender {
  readonly #orders: SenderOrders
  readonly #journal = new JournalWriter<SenderLine>(JOURNAL_FILE)
  #next: number
  #request = 0
  #lowerBits = randomBytes(3).readUIntBE(0, 3)
  #incomplete = 0
  #ending = false

  constructor(orders: SenderOrders) {
    this.#orders = orders
    this.#next = orders.firstEvent
  }

  async run(): Promise<void> {
    console.log('working')
    await Promise.all(Array.from({ length: REQUESTS }, () => this.#loop()))
    this.#journal.write({ what: 'closed' })
  }

  end(): void {
    this.#ending = true
  }

  async #loop(): Promise<void> {
    while (!this.#ending) {
      const request = this.#request++
      const spans = this.#spans()
      this.#journal.write({ what: 'sending', request, events: spans.flatMap(({ events }) => events) })
      await this.#untilAcknowledged(request, this.#body(spans))
      this.#journal.write({ what: 'acknowledged', request })
      await sleep(Math.random() * 60)
    }
  }

  async #untilAcknowledged(request: number, body: Body): Promise<void> {
    // What a balancer does that has lost patience: the same request is on its way twice.
    const twice = Math.random() < 0.1 ? this.#attempt(request, body) : undefined
    while (!(await this.#attempt(request, body))) await sleep(100 + Math.random() * 200)
    await twice
  }

  async #attempt(request: number, { bytes, headers }: Body): Promise<boolean> {
    const { targets, patienceMs } = this.#orders
    const by = targets[Math.floor(Math.random() * targets.length)] ?? ''
    try {
      const signal = AbortSignal.timeout(patienceMs)
      const answer = await fetch(`${by}/v1/traces`, { method: 'POST', headers, body: bytes, signal })
      await answer.arrayBuffer()
      if (answer.status !== 200 && answer.status !== 503) {
        this.#journal.write({ what: 'answered', request, status: answer.status, by })
      }
      return answer.status === 200
    } catch {
      return false
    }
  }

  #spans(): Span[] {
    const size = SIZES[Math.floor(Math.random() * SIZES.length)] ?? 1
    const hasIds = Math.random() < 0.5
    const spans: Span[] = []
    for (let left = size; left > 0; left -= PER_SPAN) {
      const spanId = randomBytes(8).toString('hex')
      const events = Array.from({ length: Math.min(left, PER_SPAN) }, () => this.#event(spanId, hasIds))
      spans.push({ spanId, events })
    }
    if (Math.random() < 0.02 && this.#incomplete++ < MOST_INCOMPLETE) {
      const spanId = randomBytes(8).toString('hex')
      spans.push({ spanId, events: [{ ...this.#event(spanId, false), outcome: undefined }] })
    }
    return spans
  }

  #event(spanId: string, hasId: boolean): SentEvent {
    const n = this.#next++
    const auditId = hasId ? this.#newId() : undefined
    return { n, outcome: OUTCOMES[n % OUTCOMES.length], auditId, spanId }
  }

  /** An id of this millisecond, and no other event's: drawn ones would meet, and the second be stored under another id. */
  #newId(): string {
    this.#lowerBits = (this.#lowerBits + 1) & 0x3fffff
    return `${(BigInt(Date.now() - SNOWFLAKE_EPOCH_MS) << 22n) | BigInt(this.#lowerBits)}`
  }

  #body(spans: readonly Span[]): Body {
    const { serviceName } = this.#orders
    const traceId = randomBytes(16).toString('hex')
    const resource = { attributes: attributes({ 'service.name': serviceName }) }
    const request = {
      resourceSpans: [{ resource, scopeSpans: [{ spans: spans.map((span) => otlpSpan(traceId, span)) }] }],
    }
    const json = Buffer.from(JSON.stringify(request))
    const headers = { 'content-type': 'application/json' }
    if (Math.random() < 0.5) return { bytes: json, headers }
    return { bytes: gzipSync(json, { level: 1 }), headers: { ...headers, 'content-encoding': 'gzip' } }
  }
}

interface Body {
  readonly bytes: Buffer<ArrayBuffer>
  readonly headers: Readonly<Record<string, string>>
}

function otlpSpan(traceId: string, { spanId, events }: Span) {
  const now = `${BigInt(Date.now()) * 1_000_000n}`
  return {
    traceId,
    spanId,
    name: 'secret_audit get_credential',
    kind: 1,
    startTimeUnixNano: now,
    endTimeUnixNano: now,
    events: events.map(({ n, outcome, auditId }) => ({
      name: 'secret.access',
      timeUnixNano: now,
      attributes: attributes({
        'secret_audit.credential': `secret-${n % 100}`,
        'secret_audit.operation': 'get_credential',
        'secret_audit.outcome': outcome,
        'secret_audit.execution_id': `${n}`,
        'secret_audit.audit_id': auditId,
      }),
    })),
  }
}

function attributes(given: Readonly<Record<string, string | undefined>>) {
  return Object.entries(given).flatMap(([key, stringValue]) =>
    stringValue === undefined ? [] : { key, value: { stringValue } },
  )
}

const sender = new Sender(JSON.parse(process.argv[2] ?? '{}') as SenderOrders)
process.stdin.on('data', () => sender.end())
// Its parent is gone.
process.stdin.on('end', () => process.exit(1))
sender.run().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error('the sender failed:', error)
    process.exit(1)
  },
)

import { randomBytes, randomFillSync } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import {
  ACCESS,
  auditSpan,
  nowNanos,
  otherSpan,
  protobufOf,
  text,
  tracesOf,
} from '../../test/support/gateway/requests.js'

/** What a request has. */
export interface Shape {
  readonly events: number
  /** Audit spans, each with one event, among them. */
  readonly spans: number
}

/** What was acknowledged. */
export interface Load {
  readonly events: number
  readonly spans: number
  readonly refused: number
  readonly ms: number
}

/** Requests at once: few large ones, many small ones. */
const AT_ONCE = (spans: number): number => (spans >= 512 ? 4 : spans >= 8 ? 16 : 32)

/** A request, made again with other span ids: so each has other events, and making it costs next to nothing. */
class Requests {
  readonly #bytes: Buffer
  /** Where the span ids of audit spans are. */
  readonly #offsets: readonly number[]

  constructor({ events, spans }: Shape) {
    const ids = Array.from({ length: events }, () => randomBytes(8))
    const every = Math.max(1, Math.floor(spans / Math.max(1, events)))
    const all = Array.from({ length: spans }, (_, i) => {
      const id = i % every === 0 ? ids[i / every] : undefined
      return id === undefined ? otherSpan() : accessSpan(id.toString('hex'))
    })
    this.#bytes = protobufOf(tracesOf(all, [text('service.name', 'bench'), text('service.instance.id', 'a')]))
    this.#offsets = ids.map((id) => this.#bytes.indexOf(id))
  }

  next(): Buffer {
    const bytes = Buffer.from(this.#bytes)
    for (const offset of this.#offsets) randomFillSync(bytes, offset, 8)
    return bytes
  }
}

function accessSpan(spanId: string) {
  const attributes = [
    ...ACCESS,
    text('secret_audit.actor_id', 'spiffe://example.org/ns/payments/sa/billing'),
    text('secret_audit.actor_type', 'service'),
    text('secret_audit.worker_id', 'worker-7f9c5d'),
    text('secret_audit.execution_id', '4611686018427387905'),
    text('secret_audit.server_region', 'eu-central'),
    text('secret_audit.attributes', '{"cache_hit":false,"attempt":1}'),
  ]
  return auditSpan({ spanId, attributes, timeNanos: nowNanos() })
}

/** Sends without a pause until the time is over, and to the end of what is on its way then. */
export async function load(url: string, shape: Shape, seconds: number): Promise<Load> {
  const requests = new Requests(shape)
  const atOnce = AT_ONCE(shape.spans)
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
  const counts = { answered: 0, refused: 0 }
  const began = performance.now()
  const until = began + seconds * 1000
  const sender = async (): Promise<void> => {
    while (performance.now() < until) {
      if ((await post(agent, url, requests.next())) === 200) counts.answered++
      else counts.refused++
    }
  }
  await Promise.all(Array.from({ length: atOnce }, sender))
  const ms = performance.now() - began
  agent.destroy()
  const { answered, refused } = counts
  return { events: answered * shape.events, spans: answered * shape.spans, refused, ms }
}

function post(agent: Agent, url: string, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length }
    const sent = httpRequest(`${url}/v1/traces`, { method: 'POST', agent, headers }, (answer) => {
      answer
        .on('error', reject)
        .on('end', () => resolve(answer.statusCode ?? 0))
        .resume()
    })
    sent.on('error', reject).end(body)
  })
}

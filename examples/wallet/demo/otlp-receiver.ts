import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface OtlpAttribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: string | number }
}

/** A span as in OTLP/JSON: hex ids, nanoseconds as strings. `resource` holds its resource's attributes. */
export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly OtlpAttribute[]
  readonly events: readonly { readonly name: string; readonly attributes: readonly OtlpAttribute[] }[]
  readonly status?: { readonly code?: number }
  readonly resource: readonly OtlpAttribute[]
}

/** `SPAN_KIND_SERVER` of OTLP. */
export const SERVER_KIND = 2

/** An OTLP/HTTP receiver for JSON. Keeps the spans, and forwards the bytes unchanged when it has a target. */
export class OtlpReceiver {
  readonly spans: OtlpSpan[] = []
  /** How many exports could not be passed on. */
  notForwarded = 0
  readonly #server: Server
  readonly #forwardTo: string | undefined
  readonly #forwards = new Set<Promise<void>>()

  private constructor(forwardTo: string | undefined) {
    this.#forwardTo = forwardTo
    this.#server = createServer((request, response) => {
      this.#take(request).then(
        (status) => response.writeHead(status, { 'content-type': 'application/json' }).end('{}'),
        () => response.writeHead(400).end(),
      )
    })
  }

  /** `forwardTo` is a base URL, to which `/v1/traces` is added. */
  static async start(forwardTo?: string): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver(forwardTo)
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** To be called when the services have stopped: what they sent last is passed on too. */
  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await Promise.all(this.#forwards)
  }

  async #take(request: IncomingMessage): Promise<number> {
    const body = await buffer(request)
    if (request.url !== '/v1/traces') return 404
    this.#keep(JSON.parse(body.toString('utf8')) as ExportRequest)
    if (this.#forwardTo !== undefined) {
      const forward = this.#forward(body, request.headers['content-type'] ?? '').finally(() =>
        this.#forwards.delete(forward),
      )
      this.#forwards.add(forward)
    }
    return 200
  }

  #keep({ resourceSpans = [] }: ExportRequest): void {
    for (const { resource, scopeSpans = [] } of resourceSpans) {
      for (const { spans = [] } of scopeSpans) {
        for (const span of spans) {
          const attributes = span.attributes ?? []
          this.spans.push({
            ...span,
            attributes,
            events: span.events ?? [],
            resource: resource?.attributes ?? [],
          })
        }
      }
    }
  }

  async #forward(body: Buffer<ArrayBuffer>, contentType: string): Promise<void> {
    try {
      const target = `${this.#forwardTo?.replace(/\/$/, '')}/v1/traces`
      const headers = { 'content-type': contentType }
      const signal = AbortSignal.timeout(10_000)
      const response = await fetch(target, { method: 'POST', headers, body, signal })
      await response.arrayBuffer()
      if (!response.ok) this.notForwarded++
    } catch {
      this.notForwarded++
    }
  }
}

interface ExportRequest {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly OtlpAttribute[] }
    readonly scopeSpans?: readonly { readonly spans?: readonly OtlpSpan[] }[]
  }[]
}

/** The text of an attribute that is a string or an integer (OTLP/JSON: a string, too, or a number). */
export function attributeOf(attributes: readonly OtlpAttribute[], key: string): string | undefined {
  const { stringValue, intValue } = attributes.find((attribute) => attribute.key === key)?.value ?? {}
  const value = stringValue ?? intValue
  return value === undefined ? undefined : `${value}`
}

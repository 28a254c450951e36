import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import type { OtlpAttribute, OtlpSpan } from '../../examples/wallet/demo/otlp-receiver.js'
import { decodeTraceRequest } from './otlp-protobuf.js'

export { attributeOf, SERVER_KIND } from '../../examples/wallet/demo/otlp-receiver.js'

/** The span of a committed block, which is no record's. */
const BLOCK_SPAN = 'secret_audit commit'

/** A span as it arrived, with the scope that made it. */
export interface ReceivedSpan extends OtlpSpan {
  readonly scope: string
  /** W3C trace flags. */
  readonly flags?: number
  readonly droppedEventsCount?: number
}

/** One point of an OTLP metric. */
export interface ReceivedPoint {
  readonly metric: string
  readonly value: number
  readonly attributes: Readonly<Record<string, string>>
}

export interface ReceivedRequest {
  readonly path: string
  readonly contentType: string
  /** How many spans it brought. */
  readonly spans: number
}

/** A collector as an application sees it: OTLP over HTTP, as protobuf or as JSON. Keeps what it gets. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = []
  readonly requests: ReceivedRequest[] = []
  /** Of the latest metrics request. */
  points: readonly ReceivedPoint[] = []
  /** Takes requests, and never answers them. */
  hangs = false
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver()
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The audit spans among the spans. */
  get auditSpans(): readonly ReceivedSpan[] {
    return this.spans.filter(({ name }) => name.startsWith('secret_audit ') && name !== BLOCK_SPAN)
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await buffer(request)
      const contentType = request.headers['content-type'] ?? ''
      const spans = this.spans.length
      this.#take(request, contentType, body)
      this.requests.push({ path: request.url ?? '', contentType, spans: this.spans.length - spans })
      if (this.hangs) return
      // An empty message: of no bytes in protobuf, `{}` in JSON.
      response.writeHead(200, { 'content-type': contentType }).end(isJson(contentType) ? '{}' : '')
    } catch {
      response.writeHead(400).end()
    }
  }

  #take(request: IncomingMessage, contentType: string, body: Buffer): void {
    const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    const parsed = (): unknown => JSON.parse(bytes.toString('utf8'))
    if (request.url === '/v1/traces') {
      const message = isJson(contentType) ? parsed() : decodeTraceRequest(bytes)
      this.spans.push(...spansOf(message as TraceRequest))
    } else if (request.url === '/v1/metrics' && isJson(contentType)) {
      this.points = pointsOf(parsed() as MetricsRequest)
    }
  }
}

const isJson = (contentType: string): boolean => contentType.startsWith('application/json')

interface TraceRequest {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly OtlpAttribute[] }
    readonly scopeSpans?: readonly {
      readonly scope?: { readonly name?: string }
      readonly spans?: readonly (Partial<ReceivedSpan> & { readonly name: string })[]
    }[]
  }[]
}

function spansOf({ resourceSpans = [] }: TraceRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map(
        (span) =>
          ({
            ...span,
            attributes: span.attributes ?? [],
            events: (span.events ?? []).map((event) => ({ ...event, attributes: event.attributes ?? [] })),
            resource: resource?.attributes ?? [],
            scope: scope?.name ?? '',
          }) as ReceivedSpan,
      ),
    ),
  )
}

interface Points {
  readonly dataPoints?: readonly {
    readonly asInt?: string | number
    readonly asDouble?: number
    readonly count?: string | number
    readonly attributes?: readonly OtlpAttribute[]
  }[]
}

interface MetricsRequest {
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics?: readonly {
      readonly metrics?: readonly {
        readonly name: string
        readonly sum?: Points
        readonly gauge?: Points
        readonly histogram?: Points
      }[]
    }[]
  }[]
}

function pointsOf({ resourceMetrics = [] }: MetricsRequest): ReceivedPoint[] {
  const metrics = resourceMetrics.flatMap(({ scopeMetrics = [] }) =>
    scopeMetrics.flatMap(({ metrics: found = [] }) => found),
  )
  return metrics.flatMap(({ name, sum, gauge, histogram }) =>
    ((sum ?? gauge ?? histogram)?.dataPoints ?? []).map((point) => ({
      metric: name,
      value: Number(point.asInt ?? point.asDouble ?? point.count),
      attributes: Object.fromEntries(
        (point.attributes ?? []).map(({ key, value }) => [key, `${value.stringValue ?? value.intValue}`]),
      ),
    })),
  )
}

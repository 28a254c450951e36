import {
  type Attributes,
  type Counter,
  type Histogram,
  type MeterProvider,
  metrics,
} from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'
import { VERSION } from '../version.js'

/** In s, as https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ advises. */
const DURATION_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** Others are `_OTHER`, as the same page says: a client must not be able to make series. */
const METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
])

/** A request that was answered. */
export interface AnsweredRequest {
  readonly method: string
  readonly scheme: string
  /** The route's path, with its parts in braces; undefined when none matched. */
  readonly route: string | undefined
  readonly status: number
  /** Of HTTP, such as `1.1`; undefined where the server does not say. */
  readonly protocolVersion: string | undefined
  /** Until the answer began, in s. */
  readonly duration: number
}

interface Instruments {
  readonly provider: MeterProvider
  readonly duration: Histogram
  readonly rowsRead: Counter
  readonly readsRefused: Counter
}

/**
 * What the server counts, on the MeterProvider of the process. No credential, reader or id is ever an attribute.
 *
 * A provider that is registered later gets instruments of its own: one made before would stay dead.
 */
export class ServerMetrics {
  #instruments: Instruments | undefined

  constructor() {
    this.#guarded(() => this.#current())
  }

  request({ method, scheme, route, status, protocolVersion, duration }: AnsweredRequest): void {
    const attributes: Attributes = {
      'http.request.method': METHODS.has(method) ? method : '_OTHER',
      'url.scheme': scheme,
      'http.response.status_code': status,
      ...(route !== undefined && { 'http.route': route }),
      ...(status >= 500 && { 'error.type': String(status) }),
      ...(protocolVersion !== undefined && { 'network.protocol.version': protocolVersion }),
    }
    this.#guarded(() => this.#current().duration.record(duration, attributes))
  }

  rowsRead(count: number): void {
    this.#guarded(() => this.#current().rowsRead.add(count))
  }

  /** @param status of HTTP: 401 or 403, whatever the client was told */
  readRefused(status: number): void {
    const attributes: Attributes = { 'http.response.status_code': status }
    this.#guarded(() => this.#current().readsRefused.add(1, attributes))
  }

  #current(): Instruments {
    const provider = metrics.getMeterProvider()
    if (this.#instruments?.provider !== provider) this.#instruments = instrumentsOf(provider)
    return this.#instruments
  }

  /** A meter that throws changes nothing about an answer. */
  #guarded(call: () => void): void {
    try {
      call()
    } catch (error) {
      diag.warn('otel-audit: the meter threw; answers are not affected', error)
    }
  }
}

function instrumentsOf(provider: MeterProvider): Instruments {
  const meter = provider.getMeter('otel-audit', VERSION)
  const rowsRead = meter.createCounter('noetl.secret_audit.server.rows_read', {
    description: 'Rows of the trail that readers got',
    unit: '{row}',
  })
  rowsRead.add(0)
  const readsRefused = meter.createCounter('noetl.secret_audit.server.reads_refused', {
    description: 'Reads that were refused for want of a valid token',
    unit: '{request}',
  })
  for (const status of [401, 403]) readsRefused.add(0, { 'http.response.status_code': status })
  meter
    .createObservableGauge('noetl.secret_audit.server.build_info', {
      description: '1, with the version as a label',
    })
    .addCallback((result) => result.observe(1, { version: VERSION }))
  return {
    provider,
    rowsRead,
    readsRefused,
    duration: meter.createHistogram('http.server.request.duration', {
      description: 'Duration of HTTP server requests.',
      unit: 's',
      advice: { explicitBucketBoundaries: DURATION_BOUNDARIES },
    }),
  }
}

import {
  type Counter,
  type Histogram,
  type MeterProvider,
  metrics,
  type ObservableGauge,
} from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'
import { VERSION } from '../version.js'
import type { Reason } from './kept-aside.js'

const PREFIX = 'noetl.secret_audit.gateway.'

/** Counters without labels: name → what it counts. */
const GATEWAY_COUNTERS = Object.freeze({
  events: 'Audit events found in requests, resent ones included',
  skewed: 'Audit events whose time is more than five minutes from their arrival',
  truncated: 'Audit events that an SDK had cut, or of which it had left something out',
  mismatch:
    'Audit events of a service that their sender may not speak for, or of an operation that is the product’s own',
  bad_credentials: 'Requests with a credential that does not hold',
})
export type GatewayCounterName = keyof typeof GATEWAY_COUNTERS

const REASONS: readonly Reason[] = ['incomplete', 'invalid', 'clock', 'refused', 'malformed']
/** Boundaries in seconds: the deadline is four. */
const BOUNDARIES = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8]

interface Instruments {
  readonly provider: MeterProvider
  readonly counters: ReadonlyMap<GatewayCounterName, Counter>
  readonly quarantined: Counter
  readonly requests: Counter
  readonly duration: Histogram
  readonly held: ObservableGauge
}

/**
 * What a gateway counts, on the MeterProvider of the process. No sender, service or id is ever a label: their number is others' to
 * choose.
 */
export class GatewayMetrics {
  readonly #held: () => number
  #instruments: Instruments | undefined

  /** @param held events that are held now */
  constructor(held: () => number) {
    this.#held = held
    this.#guarded(() => this.#current())
  }

  count(name: GatewayCounterName, by = 1): void {
    if (by > 0) this.#guarded(() => this.#current().counters.get(name)?.add(by))
  }

  quarantined(reason: string): void {
    this.#guarded(() => this.#current().quarantined.add(1, { reason }))
  }

  /** @param seconds until the answer */
  answered(status: number, signal: string, seconds: number): void {
    this.#guarded(() => {
      const { requests, duration } = this.#current()
      requests.add(1, { signal, 'http.response.status_code': status })
      duration.record(seconds, { signal })
    })
  }

  #current(): Instruments {
    const provider = metrics.getMeterProvider()
    if (this.#instruments?.provider !== provider) this.#instruments = this.#made(provider)
    return this.#instruments
  }

  #made(provider: MeterProvider): Instruments {
    const meter = provider.getMeter('otel-audit', VERSION)
    const names = Object.keys(GATEWAY_COUNTERS) as GatewayCounterName[]
    const counters = new Map(
      names.map((name) => [
        name,
        meter.createCounter(PREFIX + name, { description: GATEWAY_COUNTERS[name] }),
      ]),
    )
    for (const counter of counters.values()) counter.add(0)
    const quarantined = meter.createCounter(`${PREFIX}quarantined`, {
      description: 'What came and is kept aside, since it cannot be a row',
    })
    for (const reason of REASONS) quarantined.add(0, { reason })
    const requests = meter.createCounter(`${PREFIX}requests`, {
      description: 'Requests that were answered, by signal and status',
    })
    for (const signal of ['traces', 'logs']) {
      for (const status of [200, 503]) requests.add(0, { signal, 'http.response.status_code': status })
    }
    const held = meter.createObservableGauge(`${PREFIX}held`, {
      description: 'Audit events of requests that are not answered yet',
    })
    held.addCallback((result) => result.observe(this.#held()))
    return {
      provider,
      counters,
      quarantined,
      requests,
      held,
      duration: meter.createHistogram(`${PREFIX}request.duration`, {
        description: 'From a request to its answer',
        unit: 's',
        advice: { explicitBucketBoundaries: BOUNDARIES },
      }),
    }
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

import { type Counter, type MeterProvider, metrics } from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'
import { VERSION } from '../version.js'
import type { VerifiedCounts } from './verification.js'

/** What came of the last verification, on the MeterProvider of the process. */
export class VerifyMetrics {
  #last: Pick<VerifiedCounts, 'findings' | 'rows' | 'seconds'> | undefined
  #lastSuccess: number | undefined
  #instruments: { readonly provider: MeterProvider; readonly failures: Counter } | undefined

  constructor() {
    this.#guarded(() => void this.#current())
  }

  /** @param nowMs since the Unix epoch */
  verified({ findings, rows, seconds, isSuccess }: VerifiedCounts, nowMs: number): void {
    this.#last = { findings, rows, seconds }
    if (isSuccess) this.#lastSuccess = Math.floor(nowMs / 1000)
    this.#guarded(() => void this.#current())
  }

  /** It could not be verified. What came of the last verification stays. */
  failed(): void {
    this.#guarded(() => this.#current().failures.add(1))
  }

  #current(): { readonly failures: Counter } {
    const provider = metrics.getMeterProvider()
    if (this.#instruments?.provider !== provider) this.#instruments = this.#instrumentsOf(provider)
    return this.#instruments
  }

  #instrumentsOf(provider: MeterProvider): { readonly provider: MeterProvider; readonly failures: Counter } {
    const meter = provider.getMeter('otel-audit', VERSION)
    const gauge = (
      name: string,
      description: string,
      unit: string,
      value: () => number | undefined,
    ): void => {
      meter
        .createObservableGauge(`noetl.secret_audit.verify.${name}`, { description, unit })
        .addCallback((result) => {
          const observed = value()
          if (observed !== undefined) result.observe(observed)
        })
    }
    gauge('findings', 'Findings of the last verification', '{finding}', () => this.#last?.findings)
    gauge('rows', 'Rows that it has proven', '{row}', () => this.#last?.rows)
    gauge(
      'last_success',
      'When a verification last had no finding, in seconds since 1970',
      's',
      () => this.#lastSuccess,
    )
    gauge('duration', 'How long the last one took, in seconds', 's', () => this.#last?.seconds)
    const failures = meter.createCounter('noetl.secret_audit.verify.failures', {
      description: 'Verifications that could not be made, or not to their end',
      unit: '{run}',
    })
    failures.add(0)
    return { provider, failures }
  }

  /** A meter that throws changes nothing about a verification. */
  #guarded(call: () => void): void {
    try {
      call()
    } catch (error) {
      diag.warn('otel-audit: the meter threw; verification is not affected', error)
    }
  }
}

import { AuditError } from '../../errors.js'
import { visible } from '../../host/visible.js'
import { type PrometheusMetrics, prometheusMetrics } from '../../server/prometheus.js'

/** For `/metrics`. Without the optional packages, or with a MeterProvider of the operator's, a server runs without. */
export function exposedMetrics(): PrometheusMetrics | undefined {
  try {
    const exposed = prometheusMetrics()
    if (exposed === undefined)
      warn('a MeterProvider is registered already, and metrics go where it sends them')
    return exposed
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    warn(error.message)
    return undefined
  }
}

function warn(why: string): void {
  process.stderr.write(`/metrics is not available: ${visible(why)}\n`)
}

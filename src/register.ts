/**
 * `node --import otel-audit/register app.js`: the OpenTelemetry SDK and the audit pipeline from the environment alone.
 * The application is loaded after the self-test.
 */
import { refuseUnmet } from './host/requirements.js'

// Before anything is loaded that needs it.
refuseUnmet(1)
const { refuseStart, startZeroCode } = await import('./audit/zero-code.js')
try {
  await startZeroCode('--import')
} catch (error) {
  refuseStart(error)
}

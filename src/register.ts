/**
 * `node --import otel-audit/register app.js`: the OpenTelemetry SDK and the audit pipeline from the environment alone.
 * The application is loaded after the self-test.
 */
import { startZeroCode } from './audit/zero-code.js'

await startZeroCode('--import')

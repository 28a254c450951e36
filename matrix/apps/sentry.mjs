import * as Sentry from '@sentry/node'

// No server listens there.
const dsn = 'http://key@127.0.0.1:9/1'
const enableOpenTelemetrySetup = process.env.ENABLE_OPEN_TELEMETRY_SETUP !== undefined
Sentry.init({ dsn, tracesSampleRate: 1, enableOpenTelemetrySetup })

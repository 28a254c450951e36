import * as Sentry from '@sentry/node'

// Nobody listens there.
const dsn = 'http://key@127.0.0.1:9/1'
const enableOpenTelemetrySetup = process.env.ENABLE_OPEN_TELEMETRY_SETUP !== undefined
Sentry.init({ dsn, tracesSampleRate: 1, enableOpenTelemetrySetup })

/**
 * `node --require otel-audit/register app.js`: as `register.ts`, for the loader that cannot wait. Strict records wait
 * for the self-test; when strict mode forbids the start-up, the process ends with an uncaught error.
 */
import { startZeroCode } from './zero-code.js'

startZeroCode().ready.catch((error: unknown) => {
  setImmediate(() => {
    throw error
  })
})

/**
 * `node --require otel-audit/register app.js`: as `register.ts`, for the loader that cannot wait. Strict records wait
 * for the self-test; when strict mode forbids the start-up, the process ends with an uncaught error.
 */
import { isMainThread, parentPort } from 'node:worker_threads'
import { startZeroCode } from './zero-code.js'

// `--require` also runs in the thread of the loader hooks, which is no part of the application: it is the one thread
// that is neither the main thread nor a worker with a parent.
const inApplication = isMainThread || parentPort !== null

if (inApplication) {
  startZeroCode().ready.catch((error: unknown) => {
    setImmediate(() => {
      throw error
    })
  })
}

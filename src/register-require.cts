/**
 * `node --require otel-audit/register app.js`: as `register.ts`, for the loader that cannot wait. Strict records wait
 * for the self-test; when strict mode forbids the start-up, the process ends with an uncaught error.
 *
 * `--require` also runs in the thread of the loader hooks, which is no part of the application: it is the one thread that
 * is neither the main thread nor a worker with a parent. Node 22 cannot load ES modules there, hence CommonJS.
 */
function startInApplication(): void {
  const { isMainThread, parentPort } = require('node:worker_threads') as typeof import('node:worker_threads')
  if (!isMainThread && parentPort === null) return
  const { startZeroCode } = require('./audit/zero-code.js') as typeof import('./audit/zero-code.js')
  startZeroCode('--require').catch((error: unknown) => {
    setImmediate(() => {
      throw error
    })
  })
}

startInApplication()

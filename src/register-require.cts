/**
 * `node --require otel-audit/register app.js`: as `register.ts`, for the loader that cannot wait. Strict records wait
 * for the self-test; when strict mode forbids the start-up, the process ends.
 *
 * `--require` also runs in the thread of the loader hooks, which is no part of the application: it is the one thread that
 * is neither the main thread nor a worker with a parent. Node 22 cannot load ES modules there, hence CommonJS.
 */
function requirements(): typeof import('./host/requirements.js') {
  try {
    return require('./host/requirements.js') as typeof import('./host/requirements.js')
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_REQUIRE_ESM') throw error
    const { node } = process.versions
    process.stderr.write(
      `AUDIT_MISSING_PACKAGE: Node ${node} cannot require ES modules, as it runs here: it takes 20.19 or 22.12, or what is newer; or --import in place of --require\n`,
    )
    process.exit(1)
  }
}

function startInApplication(): void {
  const { isMainThread, parentPort } = require('node:worker_threads') as typeof import('node:worker_threads')
  if (!isMainThread && parentPort === null) return
  requirements().refuseUnmet(1)
  const { refuseStart, startZeroCode } =
    require('./audit/zero-code.js') as typeof import('./audit/zero-code.js')
  try {
    startZeroCode('--require').catch((error: unknown) => {
      // Out of the promise: what is thrown is then an uncaught error, and not a rejection.
      setImmediate(() => refuseStart(error))
    })
  } catch (error) {
    refuseStart(error)
  }
}

startInApplication()

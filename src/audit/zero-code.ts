import cluster from 'node:cluster'
import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import type * as Api from '@opentelemetry/api'
import { type Audit, createAudit } from './audit.js'
import { diag } from '../host/diagnostics.js'
import { setImmediate } from '../host/globals.js'
import type { ModuleInstrumentation } from '../instrument/secret-instrumentation.js'
import type { OptionSpec } from '../options/option-spec.js'
import { OPTIONS } from '../options/options.js'
import { registerLoaderHook } from './loader-hook.js'
import { SecondSdk } from './second-sdk.js'
import { Threads } from './threads.js'
import { locateSdkNode, resolveOptional } from '../otel/sdk/packages.js'

export { refuseStart } from './refuse-start.js'

const AUTO_INSTRUMENTATIONS = '@opentelemetry/auto-instrumentations-node'

interface NodeSdk {
  start(): void
  shutdown(): Promise<void>
}

/** How the preload came to be loaded. */
type Loader = '--import' | '--require'

interface Loaded {
  readonly by: Loader
  isSaidTwice: boolean
}

// Each loader has an entry of its own, and a process may have two copies of this package.
const LOADED = Symbol.for('otel-audit.register.loaded.v1')

/**
 * Starts the SDK as the environment configures it plus the audit pipeline, and sees to a clean end. Once in a process:
 * a second SDK could not register, and a second pipeline would say everything twice.
 *
 * @returns rejects when strict mode forbids the start-up
 * @throws AuditError for options that cannot be understood, and for missing packages: the process must not run on
 *   without the audit that it was started with
 */
export function startZeroCode(by: Loader): Promise<unknown> {
  const holder = globalThis as { [LOADED]?: Loaded }
  const first = holder[LOADED]
  if (first === undefined) {
    const ready = start()
    holder[LOADED] = { by, isSaidTwice: false }
    return ready
  }
  if (!first.isSaidTwice) {
    first.isSaidTwice = true
    diag.warn(
      `otel-audit: otel-audit/register is loaded twice (${first.by}, then ${by}); the second is ignored`,
    )
  }
  return Promise.resolve()
}

function start(): Promise<unknown> {
  const load = createRequire(locateSdkNode())
  const second = logToStderr(load('@opentelemetry/api') as typeof Api)
  const audit = createAudit({ instrument: isSet(OPTIONS.instrument) ? undefined : 'on' })
  const near = resolveOptional(AUTO_INSTRUMENTATIONS) ?? locateSdkNode()
  const config = audit.withSdk({ instrumentations: autoInstrumentations() })
  // Before anything else is imported, and after every instrumentation is made: they say which modules they want to see.
  registerLoaderHook(near, namesOf(config.instrumentations))
  const { NodeSDK } = load('@opentelemetry/sdk-node') as { NodeSDK: new (config: object) => NodeSdk }
  const sdk = new NodeSDK(config)
  second.start(sdk)
  endCleanly(audit, sdk)
  return audit.start()
}

/**
 * Lost records are said on stderr. `OTEL_LOG_LEVEL`, which `NodeSDK` looks at, decides otherwise.
 *
 * With the SDK's own copy of the API: the version that registers first is the only one that may register more.
 */
function logToStderr({ diag: api, DiagConsoleLogger, DiagLogLevel }: typeof Api): SecondSdk {
  const second = new SecondSdk()
  if (!process.env.OTEL_LOG_LEVEL) {
    const logger = second.filtered(new DiagConsoleLogger())
    api.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  }
  second.sayWhatIsKnown()
  return second
}

function autoInstrumentations(): unknown[] {
  const found = resolveOptional(AUTO_INSTRUMENTATIONS)
  if (found === undefined) {
    diag.warn(
      'otel-audit: @opentelemetry/auto-instrumentations-node is not installed: audit spans have no server span above them',
    )
    return []
  }
  const { getNodeAutoInstrumentations } = createRequire(found)(found) as {
    getNodeAutoInstrumentations: () => unknown[]
  }
  return getNodeAutoInstrumentations()
}

function isSet({ variables }: OptionSpec): boolean {
  return variables.some((name) => process.env[name])
}

/** The modules that instrumentations want to see. */
function namesOf(instrumentations: readonly unknown[]): readonly string[] {
  const all = instrumentations.flat(Infinity) as readonly Partial<ModuleInstrumentation>[]
  const names = all.flatMap((one) => one.getModuleDefinitions?.().map(({ name }) => name) ?? [])
  return [...new Set(names)]
}

/** From orchestrators and terminals; from a terminal or connection that is gone; nodemon; `STOPSIGNAL` of some images. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const

/** Of the pipeline of a thread, beside its storing: to hear that it is asked, to shut its SDK down, and to answer, in ms. */
const THREAD_GRACE_MS = 2000

/**
 * On the signals that end a process: what waits is stored, here and in the threads below. When nobody else listens, pipeline and
 * SDK are closed and the signal does what it would have done. When the application listens too, it has its own way to end, and
 * may still answer requests on it: then both are closed when its work is done. No signal reaches a thread: it is asked by the
 * one that has started it.
 */
function endCleanly(audit: Audit, sdk: NodeSdk): void {
  const threads = new Threads((wish) => (wish === 'close' ? close() : flush()))
  const timeoutMs = audit.settings.closeTimeoutMs + THREAD_GRACE_MS
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= both(threads.ask('close', timeoutMs), closeBoth(audit, sdk)))
  const flush = (): Promise<void> => both(threads.ask('flush', timeoutMs), said('flush', audit.flush()))
  process.once('beforeExit', () => void close())
  if (!isMainThread) return
  for (const signal of SIGNALS) {
    const onSignal = (): void => {
      if (process.listenerCount(signal) - signalExitListeners() > 1) {
        void flush()
        return
      }
      void close().finally(() => {
        process.off(signal, onSignal)
        process.kill(process.pid, signal)
      })
    }
    try {
      process.on(signal, onSignal)
    } catch (error) {
      diag.debug(`otel-audit: this system has no ${signal}`, error)
    }
  }
  endWithPrimary(close)
}

/** In a turn of its own: what threads have put on stderr comes by this one. */
async function both(threads: Promise<void>, own: Promise<void>): Promise<void> {
  await Promise.all([threads, own])
  await new Promise<void>((resolve) => setImmediate(resolve))
}

/**
 * A worker of `node:cluster` whose channel is cut, by itself or because the primary died, is ended by Node at once, unless it
 * says that it will end by itself. It does, when what waits is stored.
 */
function endWithPrimary(close: () => Promise<void>): void {
  const { worker } = cluster
  worker?.once('disconnect', () => {
    if (worker.exitedAfterDisconnect) return
    worker.exitedAfterDisconnect = true
    void close().finally(() => process.exit())
  })
}

/**
 * The package `signal-exit` is in many dependency trees. Its listeners re-raise a signal when nobody else listens, as
 * ours does: if each left the end to the other, the process would never end. Its versions count their listeners in
 * these two places.
 */
function signalExitListeners(): number {
  const places = [
    (globalThis as Record<symbol, unknown>)[Symbol.for('signal-exit emitter')],
    (process as unknown as Record<string, unknown>)['__signal_exit_emitter__'],
  ]
  return places.reduce<number>((sum, place) => {
    const count = (place as { count?: unknown } | null | undefined)?.count
    return typeof count === 'number' ? sum + count : sum
  }, 0)
}

async function closeBoth(audit: Audit, sdk: NodeSdk): Promise<void> {
  await said('close', audit.close())
  await said('shutdown', sdk.shutdown())
}

async function said(what: string, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    diag.error(`otel-audit: ${what} failed`, error)
  }
}

import type * as Api from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'

/** What others put on the command line to start an SDK. */
const OTHER_PRELOAD =
  /^(?:--(?:import|require|r)=|-r=?)?(@opentelemetry\/auto-instrumentations-node\/register)$/
const DUPLICATE = /Attempted duplicate registration of API/

/**
 * Somebody who had OpenTelemetry before has a flag for it, and then starts two SDKs. The API says so by a stack for each of its
 * parts; here it is one line that names the flag. Rows are stored either way.
 */
export class SecondSdk {
  readonly #preload = otherPreload()
  #isStarting = false
  #isSaid = false

  /** Before an SDK that comes later says it in its way. */
  sayWhatIsKnown(): void {
    if (this.#preload !== undefined) this.#say()
  }

  /** A logger that leaves out what is said here, while our SDK starts. */
  filtered(logger: Api.DiagLogger): Api.DiagLogger {
    return {
      error: (message, ...details) => {
        if (this.#isStarting && DUPLICATE.test(message)) this.#say()
        else logger.error(message, ...details)
      },
      warn: (message, ...details) => logger.warn(message, ...details),
      info: (message, ...details) => logger.info(message, ...details),
      debug: (message, ...details) => logger.debug(message, ...details),
      verbose: (message, ...details) => logger.verbose(message, ...details),
    }
  }

  /** Starts our SDK. */
  start(sdk: { start(): void }): void {
    this.#isStarting = true
    try {
      sdk.start()
    } finally {
      this.#isStarting = false
    }
  }

  #say(): void {
    if (this.#isSaid) return
    this.#isSaid = true
    diag.warn(
      this.#preload === undefined
        ? 'otel-audit: OpenTelemetry was started before otel-audit/register, which starts it, too: what came first stays. Remove one of them, or build yours with createAudit(…).withSdk'
        : `otel-audit: OpenTelemetry is started twice: otel-audit/register starts it, too, with the same instrumentations. Remove the flag for ${this.#preload}`,
    )
  }
}

function otherPreload(): string | undefined {
  const flags = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)]
  for (const flag of flags) {
    const [, preload] = OTHER_PRELOAD.exec(flag) ?? []
    if (preload !== undefined) return preload
  }
  return undefined
}

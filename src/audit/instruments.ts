import { createRequire } from 'node:module'
import { diag } from '../host/diagnostics.js'
import { errorText } from '../host/error-text.js'
import type { Environment } from '../host/environment.js'
import { AuditError } from '../errors.js'
import { hookContext } from '../instrument/client-hook.js'
import { CLIENT_HOOKS, LOADED_HOOKS } from '../instrument/client-hooks.js'
import { recordDelivered } from '../instrument/delivered.js'
import { watchFiles } from '../instrument/files/watch-files.js'
import { CoverageRegister } from '../instrument/coverage.js'
import { notCovered, uncovered } from '../instrument/required.js'
import type { Watch } from '../instrument/open-access.js'
import { processWatch } from '../instrument/process-watch.js'
import type { AccessRecorder } from '../instrument/recorder.js'
import {
  type InstrumentationPackage,
  type ModuleInstrumentation,
  secretInstrumentation,
} from '../instrument/secret-instrumentation.js'
import { watchWire } from '../instrument/wire/watch-wire.js'
import type { AuditSettings } from '../options/options.js'
import { locateSdkNode } from '../otel/sdk/packages.js'
import type { AuditFields } from '../event/event.js'
import { CoverageReport } from './coverage-report.js'
import { instrumentSettings } from './instrument-settings.js'

/** The exporter, as far as it is told of coverage. */
interface Told {
  recordOwn(fields: AuditFields): void
  refuseStrict(reason: string): void
}

/** What audits the secret clients of the process for one pipeline. */
export class Instruments {
  readonly watch: Watch
  /** What is said about them. */
  readonly report: CoverageReport
  readonly #told: Told
  readonly #env: Environment
  #instrumentation: ModuleInstrumentation | undefined

  /**
   * @param pipeline names it in the rows about coverage
   * @throws AuditError `AUDIT_INVALID_OPTION`
   */
  constructor(
    recorder: AccessRecorder,
    settings: AuditSettings,
    env: Environment,
    told: Told,
    pipeline: string,
  ) {
    const coverage = new CoverageRegister()
    this.watch = { recorder, coverage, settings: instrumentSettings(settings, env) }
    this.#told = told
    this.#env = env
    this.report = new CoverageReport(coverage, pipeline, (fields) => told.recordOwn(fields))
    coverage.onChange(() => this.#refuseUncovered())
  }

  /** Layer 2: watches the traffic of the process, unless it is off, and the files that hold secrets. */
  start(): void {
    const { instrument, disable, files } = this.watch.settings
    if (instrument === 'off') return
    const watch = processWatch(this.watch)
    if (!disable.has('wire')) watchWire(watch)
    if (files !== undefined) watchFiles(watch)
  }

  /** Records what the process was started with. */
  tellDelivered(): void {
    if (this.watch.settings.instrument !== 'off') recordDelivered(this.watch, this.#env)
  }

  /** @throws AuditError `AUDIT_NOT_COVERED` when `instrument` is `required`, and a client of the process is not covered */
  checkCovered(): void {
    const entries = uncovered(this.watch)
    if (entries.length > 0) throw notCovered(entries)
  }

  /** What is strict is not granted any more: a secret may go past the trail. Until a start finds that all is covered. */
  #refuseUncovered(): void {
    const entries = uncovered(this.watch)
    if (entries.length > 0)
      this.#told.refuseStrict(`strict records are refused: ${notCovered(entries).message}`)
  }

  /**
   * Layer 1 as an instrumentation of OpenTelemetry; undefined when it is off, or its package is not there.
   *
   * @throws AuditError `AUDIT_MISSING_PACKAGE` when it is required
   */
  instrumentation(): ModuleInstrumentation | undefined {
    if (this.watch.settings.instrument === 'off') return undefined
    try {
      const load = createRequire(locateSdkNode())
      const pkg = load('@opentelemetry/instrumentation') as InstrumentationPackage
      return (this.#instrumentation ??= secretInstrumentation(pkg, processWatch(this.watch), LOADED_HOOKS))
    } catch (error) {
      if (this.watch.settings.instrument === 'required') throw missing(error)
      diag.warn('otel-audit: the clients of secret managers are not hooked; the wire still is', error)
      return undefined
    }
  }

  /** @throws AuditError `AUDIT_INVALID_OPTION` */
  hookInstance(client: object): void {
    const watch = processWatch(this.watch)
    for (const hook of CLIENT_HOOKS) {
      const [name = hook.name] = hook.packages
      const copy = watch.coverage.copy(name, undefined)
      if (hook.hookInstance?.(client, hookContext(watch, copy))) return
    }
    throw new AuditError('AUDIT_INVALID_OPTION', 'it is not a client of a secret manager that is known', {
      field: 'client',
    })
  }
}

function missing(cause: unknown): AuditError {
  const name = '@opentelemetry/instrumentation'
  const message = `instrument is required, and ${name} cannot be loaded beside the SDK: ${errorText(cause)}`
  return new AuditError('AUDIT_MISSING_PACKAGE', message, { cause })
}

/** Adds an instrumentation to those of a configuration of `NodeSDK`. */
export function withInstrumentation<Config extends object>(
  config: Config,
  instrumentation: ModuleInstrumentation | undefined,
): Config {
  if (instrumentation === undefined) return config
  const { instrumentations = [] } = config as { readonly instrumentations?: readonly unknown[] }
  return { ...config, instrumentations: [...instrumentations, instrumentation] }
}

import { createRequire } from 'node:module'
import { diag } from '../host/diagnostics.js'
import type { Environment } from '../host/environment.js'
import { AuditError } from '../errors.js'
import { hookContext } from '../instrument/client-hook.js'
import { CLIENT_HOOKS } from '../instrument/client-hooks.js'
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
import { instrumentSettings } from './instrument-settings.js'

/** What audits the secret clients of the process for one pipeline. */
export class Instruments {
  readonly watch: Watch
  #instrumentation: ModuleInstrumentation | undefined

  /** @throws AuditError `AUDIT_INVALID_OPTION` */
  constructor(recorder: AccessRecorder, settings: AuditSettings, env: Environment) {
    this.watch = processWatch(recorder, instrumentSettings(settings, env))
  }

  /** Layer 2: watches the traffic of the process, unless it is off. */
  start(): void {
    const { instrument, disable } = this.watch.settings
    if (instrument !== 'off' && !disable.has('wire')) watchWire(this.watch)
  }

  /** Layer 1 as an instrumentation of OpenTelemetry; undefined when it is off, or its package is not there. */
  instrumentation(): ModuleInstrumentation | undefined {
    if (this.watch.settings.instrument === 'off') return undefined
    try {
      const load = createRequire(locateSdkNode())
      const pkg = load('@opentelemetry/instrumentation') as InstrumentationPackage
      return (this.#instrumentation ??= secretInstrumentation(pkg, this.watch, CLIENT_HOOKS))
    } catch (error) {
      diag.warn('otel-audit: the clients of secret managers are not hooked; the wire still is', error)
      return undefined
    }
  }

  /** @throws AuditError `AUDIT_INVALID_OPTION` */
  hookInstance(client: object): void {
    for (const hook of CLIENT_HOOKS) {
      const [name = hook.name] = hook.packages
      const copy = this.watch.coverage.copy(name, undefined)
      if (hook.hookInstance?.(client, hookContext(this.watch, copy))) return
    }
    throw new AuditError('AUDIT_INVALID_OPTION', 'it is not a client of a secret manager that is known', {
      field: 'client',
    })
  }
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

import {
  InstrumentationBase,
  type InstrumentationConfig,
  InstrumentationNodeModuleDefinition,
} from '@opentelemetry/instrumentation'
import { checkMethod } from '../host/check.js'
import { globs } from '../host/globs.js'
import { LOADED_HOOKS } from '../instrument/client-hooks.js'
import { recordDelivered } from '../instrument/delivered.js'
import { watchFiles } from '../instrument/files/watch-files.js'
import { CoverageRegister } from '../instrument/coverage.js'
import type { Watch } from '../instrument/open-access.js'
import { processWatch } from '../instrument/process-watch.js'
import type { AccessRecorder } from '../instrument/recorder.js'
import { moduleDefinitions } from '../instrument/secret-instrumentation.js'
import { watchWire } from '../instrument/wire/watch-wire.js'
import { resolveOptions } from '../options/resolve.js'
import { SecretAuditService } from '../service/service.js'
import { VERSION } from '../version.js'
import type { Audit } from './audit.js'
import { instrumentSettings } from './instrument-settings.js'

export interface SecretInstrumentationConfig extends InstrumentationConfig {
  /**
   * Where accesses are recorded, with its options `instrument…`. Default: the pipeline that is registered in this process,
   * with those of the environment; strict accesses before there is one are refused (`AUDIT_NO_PIPELINE`), but for those of
   * `strictExcept`.
   */
  readonly audit?: Audit | undefined
}

/**
 * Audits the secret clients of a process: for those who put the instrumentations of their `NodeSDK` together themselves.
 * `audit.withSdk` adds it where the option `instrument` is on, and `otel-audit/register` always does.
 *
 * Disabling it ends what is seen at the wire and of files; clients that are hooked stay hooked.
 */
export class SecretInstrumentation extends InstrumentationBase<SecretInstrumentationConfig> {
  // Called by the base class before any field of this one is there.
  declare private watch: Watch | undefined
  declare private endWire: (() => void) | undefined
  declare private endFiles: (() => void) | undefined

  /** @throws AuditError `AUDIT_INVALID_OPTION` for an `audit` that is none, and for a variable that cannot be understood */
  constructor(config: SecretInstrumentationConfig = {}) {
    super('otel-audit', VERSION, config)
  }

  protected override init(): InstrumentationNodeModuleDefinition[] {
    const { audit } = this.getConfig()
    if (audit !== undefined) checkMethod('audit', audit, 'withSdk')
    this.watch = processWatch(audit?.watch ?? watchOfProcess())
    // A pipeline of its own says them when it starts.
    if (audit === undefined) recordDelivered(this.watch, process.env)
    return moduleDefinitions(InstrumentationNodeModuleDefinition, this.watch, LOADED_HOOKS)
  }

  override enable(): void {
    super.enable()
    if (this.watch !== undefined && !this.watch.settings.disable.has('wire')) {
      this.endWire ??= watchWire(this.watch)
    }
    if (this.watch?.settings.files !== undefined) this.endFiles ??= watchFiles(this.watch)
  }

  override disable(): void {
    super.disable()
    this.endWire?.()
    this.endWire = undefined
    this.endFiles?.()
    this.endFiles = undefined
  }
}

function watchOfProcess(): Watch {
  const settings = resolveOptions({ instrument: 'on' }, process.env)
  const service = SecretAuditService.fromEnv()
  const isExempt = globs(settings.strictExcept)
  const recorder: AccessRecorder = {
    reservation: () => service.reservation(),
    recordAccess: (rows, recording) => {
      const mode = rows.every(({ credential }) => isExempt(credential)) ? 'async' : recording.mode
      return service.recordAccess(rows, { ...recording, mode })
    },
  }
  return { recorder, coverage: new CoverageRegister(), settings: instrumentSettings(settings, process.env) }
}

import { CoverageRegister } from './coverage.js'
import type { Watch } from './open-access.js'
import type { AccessRecorder } from './recorder.js'
import type { InstrumentSettings } from './settings.js'

/**
 * What the hooks of this process have in common. A client is hooked once, and traffic is watched once: where they record is
 * the pipeline that was started last. One that is closed stays until another one is started: its strict accesses are
 * refused, rather than released without a row.
 */
class ProcessWatch implements Watch {
  readonly coverage = new CoverageRegister()
  recorder: AccessRecorder
  settings: InstrumentSettings

  constructor(recorder: AccessRecorder, settings: InstrumentSettings) {
    this.recorder = recorder
    this.settings = settings
  }
}

let shared: ProcessWatch | undefined

/** From now on the hooks of this process record by `recorder`. */
export function processWatch(recorder: AccessRecorder, settings: InstrumentSettings): Watch {
  if (shared === undefined) return (shared = new ProcessWatch(recorder, settings))
  shared.recorder = recorder
  shared.settings = settings
  return shared
}

import { CoverageRegister } from './coverage.js'
import type { Watch } from './open-access.js'

/**
 * What the hooks of this process have in common. A client is hooked once, and traffic is watched once: where they record, and
 * whom they tell of coverage, is the pipeline that took over last. One that is closed stays until another one takes over:
 * its strict accesses are refused, rather than released without a row.
 */
class ProcessWatch implements Watch {
  readonly coverage = new CoverageRegister()
  #of: Watch

  constructor(first: Watch) {
    this.#of = first
    this.use(first)
  }

  get recorder() {
    return this.#of.recorder
  }

  get settings() {
    return this.#of.settings
  }

  use(watch: Watch): void {
    this.#of = watch
    this.coverage.tell(watch.coverage)
  }
}

let shared: ProcessWatch | undefined

/** From now on the hooks of this process record for `watch`. @returns what they are given */
export function processWatch(watch: Watch): Watch {
  if (shared === undefined) shared = new ProcessWatch(watch)
  else shared.use(watch)
  return shared
}

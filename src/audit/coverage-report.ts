import { clearInterval, setInterval, wallClock } from '../host/globals.js'
import { diag } from '../host/diagnostics.js'
import type { AuditFields } from '../event/event.js'
import { coverageRow } from '../event/self-rows.js'
import type { Coverage, CoverageRegister } from '../instrument/coverage.js'

/** How often a state that lasts is stated again, in ms: a window of a day has every process that runs. */
const RESTATED_MS = 86_400_000
/** Changes of one client that get a row in a process. Its state is stated again each day all the same. */
const MOST_CHANGES = 16

interface Noted {
  readonly since: string
  changes: number
}

/**
 * Says how the secret clients of a process are covered: at once on the diagnostics logger, and from {@link start} on in rows
 * of the trail, one for each change.
 */
export class CoverageReport {
  readonly #register: CoverageRegister
  readonly #pipeline: string
  readonly #record: (fields: AuditFields) => void
  readonly #stopListening: () => void
  readonly #noted = new Map<string, Noted>()
  #timer: NodeJS.Timeout | undefined

  /**
   * @param pipeline names it
   * @param record takes a row of the pipeline about itself. MUST NOT throw
   */
  constructor(register: CoverageRegister, pipeline: string, record: (fields: AuditFields) => void) {
    this.#register = register
    this.#pipeline = pipeline
    this.#record = record
    this.#stopListening = register.onChange((entry) => this.#changed(entry))
  }

  /** From now on rows are taken: what is known, and each change. Idempotent. */
  start(): void {
    if (this.#timer !== undefined) return
    this.#state()
    this.#timer = setInterval(() => this.#state(), RESTATED_MS).unref()
  }

  stop(): void {
    this.#stopListening()
    clearInterval(this.#timer)
  }

  #state(): void {
    for (const entry of this.#register.entries()) this.#write(entry)
  }

  #changed(entry: Coverage): void {
    const client = clientOf(entry)
    const { changes = 0 } = this.#noted.get(client) ?? {}
    this.#noted.set(client, { since: now(), changes: changes + 1 })
    say(entry)
    if (this.#timer !== undefined && changes < MOST_CHANGES) this.#write(entry)
  }

  #write(entry: Coverage): void {
    const client = clientOf(entry)
    const { state, hook, reason } = entry
    const since = this.#noted.get(client)?.since ?? now()
    const pipeline = this.#pipeline
    this.#record(coverageRow({ client, state, hook, reason, node: process.version, since, pipeline }))
  }
}

function clientOf({ name, version }: Coverage): string {
  return version === undefined ? name : `${name}@${version}`
}

function now(): string {
  return new Date(wallClock()).toISOString()
}

function say(entry: Coverage): void {
  const { state, reason } = entry
  const why = reason === undefined ? '' : `: ${reason}`
  if (state === 'not_hooked') {
    diag.warn(`otel-audit: ${clientOf(entry)} is loaded and not hooked${why}; docs/coverage.md`)
  } else if (state === 'observed') {
    diag.warn(
      `otel-audit: ${clientOf(entry)} is seen, and what it reads cannot be held back${why}; docs/coverage.md`,
    )
  } else {
    diag.debug(`otel-audit: ${clientOf(entry)} is covered: ${state}${why}`)
  }
}

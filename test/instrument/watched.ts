import { onTestFinished } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import type { AuditEvent } from '../../src/event/event.js'
import { CoverageRegister } from '../../src/instrument/coverage.js'
import type { Watch } from '../../src/instrument/open-access.js'
import { INSTRUMENT_DEFAULTS, type InstrumentSettings } from '../../src/instrument/settings.js'
import type { AuditOptions } from '../../src/options/options.js'
import type { SecretAuditService } from '../../src/service/service.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { LASTING } from '../support/faults.js'

export interface Watched {
  readonly watch: Watch
  readonly service: SecretAuditService
  /** Stored rows of accesses, in the order of their ids. */
  rows(): Promise<readonly AuditEvent[]>
  /** From now on the store is down, or is there again. */
  isDown: boolean
  /** Writes wait from now on. @returns resolves with the first that came, and then they go on: after {@link letGo} */
  hold(): Promise<void>
  letGo(): void
}

/** A pipeline over a store that can be down, and what the layers share. */
export function watched(options: AuditOptions = {}, settings: Partial<InstrumentSettings> = {}): Watched {
  let gate: Promise<void> | undefined
  let open = (): void => undefined
  let arrived = (): void => undefined
  const sink = new RecordingAuditSink(async () => {
    arrived()
    await gate
    return self.isDown ? LASTING : undefined
  })
  const audit = createAudit({ sink, lingerMs: 0, deadlineMs: 30_000, ...options })
  onTestFinished(() => audit.close({ timeoutMs: 100 }))
  const self: Watched = {
    watch: {
      recorder: audit.service,
      coverage: new CoverageRegister(),
      settings: { ...INSTRUMENT_DEFAULTS, ...settings },
    },
    service: audit.service,
    isDown: false,
    hold() {
      gate = new Promise((resolve) => {
        open = resolve
      })
      return new Promise((resolve) => {
        arrived = resolve
      })
    },
    letGo: () => open(),
    async rows() {
      await audit.flush()
      return sink.events
    },
  }
  return self
}

/** What a row says, without what differs each time. */
export function said({ credential, operation, outcome, attributesJson }: AuditEvent): object {
  return { credential, operation, outcome, ...(JSON.parse(attributesJson ?? '{}') as object) }
}

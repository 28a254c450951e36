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
}

/** A pipeline over a store that can be down, and what the layers share. */
export function watched(options: AuditOptions = {}, settings: Partial<InstrumentSettings> = {}): Watched {
  const sink = new RecordingAuditSink(() => (self.isDown ? LASTING : undefined))
  const audit = createAudit({ sink, lingerMs: 0, deadlineMs: 300, ...options })
  onTestFinished(() => audit.close({ timeoutMs: 100 }))
  const self: Watched = {
    watch: {
      recorder: audit.service,
      coverage: new CoverageRegister(),
      settings: { ...INSTRUMENT_DEFAULTS, ...settings },
    },
    service: audit.service,
    isDown: false,
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

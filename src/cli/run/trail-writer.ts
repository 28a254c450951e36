import { hostname, userInfo } from 'node:os'
import { type AuditFields, completeEvent, draftEvent } from '../../event/event.js'
import type { Principal } from '../../event/self-rows.js'
import { Ticket } from '../../contract/ticket.js'
import { DurableAuditExporter } from '../../exporter/exporter.js'
import { wallClock } from '../../host/globals.js'
import type { AuditSettings } from '../../options/options.js'
import { serviceIdentity } from '../../otel/identity.js'
import type { DatabaseUrl } from '../../postgres/database-url.js'
import { PostgresAuditSink } from '../../postgres/write/sink.js'

/** Writes rows of the product's own, for a command. */
export interface TrailWriter {
  readonly exporter: DurableAuditExporter
  /** Waits for the commit. @throws AuditError when the row could not be written */
  readonly record: (fields: AuditFields) => Promise<void>
  readonly close: () => Promise<void>
}

/** How long a command waits for the commit of a row, in ms, where no deadline is a number. */
const DEADLINE_MS = 5000

export function openTrailWriter(settings: AuditSettings, databaseUrl: DatabaseUrl): TrailWriter {
  const { schema, trail, answerTimeoutMs, synchronousCommit, origin, allowInStore } = settings
  const { enrolmentKey, enrolmentKeyFile, deadlineMs, closeTimeoutMs } = settings
  const sink = new PostgresAuditSink({
    databaseUrl,
    schema,
    trail,
    answerTimeoutMs,
    synchronousCommit,
    origin,
    enrolmentKey,
    enrolmentKeyFile,
    allowInStore,
  })
  const identity = serviceIdentity({ serviceName: settings.serviceName ?? 'otel-audit' }, process.env)
  const exporter = new DurableAuditExporter({ sink, identity, lingerMs: 0 })
  const longest = typeof deadlineMs === 'number' ? deadlineMs : DEADLINE_MS
  return {
    exporter,
    record: (fields) => recordStrict(exporter, fields, longest),
    close: () => exporter.close(closeTimeoutMs),
  }
}

/** Whoever runs a command that changes what is kept. */
export function operator(): Principal {
  const sourceAddress = hostname()
  try {
    return { actorId: `${userInfo().username}@${sourceAddress}`, actorType: 'user' }
  } catch {
    // A container's user need not have a name.
    return { actorId: `uid ${process.getuid?.() ?? 'unknown'}@${sourceAddress}`, actorType: 'user' }
  }
}

/** A row of the product's own, and its caller waits for the commit. */
function recordStrict(
  exporter: DurableAuditExporter,
  fields: AuditFields,
  deadlineMs: number,
): Promise<void> {
  const now = wallClock()
  const ticket = new Ticket('strict', deadlineMs, 0)
  ticket.seal(
    completeEvent(draftEvent(fields), {
      ...exporter.identity,
      auditId: exporter.ids.next(now),
      occurredAt: Math.floor(now) * 1000,
    }),
  )
  return new Promise((resolve, reject) => {
    ticket.onAnswer((error) => (error === undefined ? resolve() : reject(error)))
    exporter.submit(ticket)
  })
}

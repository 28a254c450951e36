import { hostname, userInfo } from 'node:os'
import { AuditError } from '../../errors.js'
import type { AuditAttributes } from '../../event/attributes.js'
import { type AuditFields, completeEvent, draftEvent } from '../../event/event.js'
import { type Principal, quarantineDecisionRow } from '../../event/self-rows.js'
import { Ticket } from '../../contract/ticket.js'
import { DurableAuditExporter } from '../../exporter/exporter.js'
import { wallClock } from '../../host/globals.js'
import { resolveOptions } from '../../options/resolve.js'
import { serviceIdentity } from '../../otel/identity.js'
import { Quarantine, type QuarantinedItem } from '../../postgres/quarantine/quarantine.js'
import { PostgresAuditSink } from '../../postgres/write/sink.js'
import type { Flags } from '../read-flags.js'

/** A command's access to the quarantine: what it does is a row of the trail before it is done. */
export interface QuarantineSession {
  readonly quarantine: Quarantine
  readonly exporter: DurableAuditExporter
  readonly who: Principal
  /** @throws AuditError when the row could not be written */
  readonly record: (action: string, attributes: AuditAttributes) => Promise<void>
}

/** Opens the quarantine for a command, and closes it after. */
export async function withQuarantine(
  flags: Flags,
  work: (session: QuarantineSession) => Promise<void>,
): Promise<void> {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const settings = resolveOptions({ databaseUrl: text('databaseUrl'), schema: text('schema') }, process.env)
  const { databaseUrl, schema, trail, answerTimeoutMs, synchronousCommit, origin } = settings
  if (databaseUrl === undefined) {
    const message =
      'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url'
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'databaseUrl' })
  }
  const session = { databaseUrl, schema, answerTimeoutMs, synchronousCommit }
  const { enrolmentKey, enrolmentKeyFile, allowInStore, deadlineMs } = settings
  const sink = new PostgresAuditSink({
    ...session,
    trail,
    origin,
    enrolmentKey,
    enrolmentKeyFile,
    allowInStore,
  })
  const identity = serviceIdentity({ serviceName: settings.serviceName ?? 'otel-audit' }, process.env)
  const exporter = new DurableAuditExporter({ sink, identity, lingerMs: 0 })
  const quarantine = await Quarantine.open({ ...session, applicationName: 'otel-audit quarantine' })
  const who: Principal = { actorId: `${userInfo().username}@${hostname()}`, actorType: 'user' }
  const longest = typeof deadlineMs === 'number' ? deadlineMs : 5000
  try {
    await work({
      quarantine,
      exporter,
      who,
      record: (action, attributes) =>
        recordStrict(exporter, quarantineDecisionRow(who, action, attributes), longest),
    })
  } finally {
    await quarantine.close()
    await exporter.close(settings.closeTimeoutMs)
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

/** The one with an id. @throws AuditError when there is none, or several */
export async function theOne(quarantine: Quarantine, id: string): Promise<QuarantinedItem> {
  if (!/^\d{1,19}$/.test(id)) {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'the id must be one that `otel-audit quarantine list` shows',
      {
        field: 'id',
      },
    )
  }
  const found = await quarantine.find(BigInt(id))
  const [item, ...more] = found
  if (item === undefined) throw new AuditError('AUDIT_READ_FAILED', `nothing is kept under the id ${id}`)
  if (more.length > 0)
    throw new AuditError('AUDIT_READ_FAILED', `${found.length} are kept under the id ${id}`)
  return item
}

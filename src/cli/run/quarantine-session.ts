import { AuditError } from '../../errors.js'
import type { AuditAttributes } from '../../event/attributes.js'
import { type Principal, quarantineDecisionRow } from '../../event/self-rows.js'
import type { DurableAuditExporter } from '../../exporter/exporter.js'
import { resolveOptions } from '../../options/resolve.js'
import { Quarantine, type QuarantinedItem } from '../../postgres/quarantine/quarantine.js'
import type { Flags } from '../read-flags.js'
import { openTrailWriter, operator } from './trail-writer.js'

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
  const { databaseUrl, schema, answerTimeoutMs, synchronousCommit } = settings
  if (databaseUrl === undefined) {
    const message =
      'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url'
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'databaseUrl' })
  }
  const session = { databaseUrl, schema, answerTimeoutMs, synchronousCommit }
  const { exporter, record, close } = openTrailWriter(settings, databaseUrl)
  const quarantine = await Quarantine.open({ ...session, applicationName: 'otel-audit quarantine' })
  const who = operator()
  try {
    await work({
      quarantine,
      exporter,
      who,
      record: (action, attributes) => record(quarantineDecisionRow(who, action, attributes)),
    })
  } finally {
    await quarantine.close()
    await close()
  }
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

import { Ticket } from '../../contract/ticket.js'
import { AuditError } from '../../errors.js'
import type { DurableAuditExporter } from '../../exporter/exporter.js'
import type { Incoming } from '../../gateway/incoming.js'
import { replayed } from '../../gateway/replay.js'
import { wallClock } from '../../host/globals.js'
import type { Flags } from '../read-flags.js'
import { theOne, withQuarantine } from './quarantine-session.js'

export async function run(id: string, flags: Flags): Promise<void> {
  await withQuarantine(flags, async ({ quarantine, exporter, who, record }) => {
    const item = await theOne(quarantine, id)
    if (item.decision === 'discarded') {
      throw new AuditError('AUDIT_INVALID_EVENT', `${id} was discarded`)
    }
    const raw = await quarantine.raw(item)
    const incoming = replayed(item, raw, wallClock(), flags['clockClaimed'] === true)
    const { auditId } = incoming.event
    await record('replay', { quarantine_id: id, audit_id: `${auditId}` })
    await stored(exporter, incoming)
    await quarantine.decide(item, { decision: 'replayed', auditId, decidedBy: who.actorId })
    process.stdout.write(`${auditId}\n`)
  })
}

function stored(exporter: DurableAuditExporter, { event, alike }: Incoming): Promise<void> {
  const ticket = new Ticket('async', 0, 0)
  ticket.seal(event)
  return new Promise((resolve, reject) => {
    exporter.takeIn(
      ticket,
      (fate, reason) => {
        if (fate === 'stored') resolve()
        else reject(new AuditError('AUDIT_REJECTED', `it is not stored: ${reason ?? fate}`))
      },
      { alike },
    )
  })
}

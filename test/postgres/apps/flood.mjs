// Records as fast as it can, and says what became of each. Arguments: database URL, events, service name, the
// millisecond of the ids that are shared, and `replay` to submit the same events a second time, as a process that has
// crashed and starts again would.
import { buildEvent, DurableAuditExporter, PostgresAuditSink, SnowflakeGenerator } from 'otel-audit'
import { Ticket } from '../../../build/src/contract/ticket.js'

const [, , databaseUrl, count, serviceName, sharedMs, replay] = process.argv
const MACHINE_ID = 7

const ids = new SnowflakeGenerator(MACHINE_ID)
const events = Array.from({ length: Number(count) }, (_, n) => {
  const now = Date.now()
  return buildEvent(
    { credential: `${serviceName}-${n}`, operation: 'get_credential', outcome: 'ok' },
    // Half of the ids are those that the other process uses too, whatever the clock says.
    { auditId: n % 2 === 0 ? ids.next(now) : sharedId(n), occurredAt: now * 1000, serviceName },
  )
})

/** @returns how many of them were stored, and how many of those under another id */
async function submitAll() {
  const exporter = new DurableAuditExporter({
    sink: new PostgresAuditSink({ databaseUrl }),
    queueRows: events.length,
    queueBytes: 1024 ** 3,
  })
  const fates = { stored: 0, other: 0 }
  exporter.onSettled((_id, fate) => fates[fate === 'stored' ? 'stored' : 'other']++)
  for (const event of events) {
    const ticket = new Ticket('async', 0, 0)
    ticket.seal(event)
    exporter.submit(ticket)
  }
  await exporter.forceFlush()
  const { written } = exporter.stats()
  const rekeyed = exporter.metrics.total('records.rekeyed')
  await exporter.close(10_000)
  return { ...fates, written, rekeyed }
}

function sharedId(n) {
  return (BigInt(Number(sharedMs) - 1_704_067_200_000) << 22n) | (BigInt(MACHINE_ID) << 12n) | BigInt(n)
}

const first = await submitAll()
const again = replay === 'replay' ? await submitAll() : undefined
process.stdout.write(`${JSON.stringify({ first, again })}\n`)

import { performance } from '../../host/globals.js'
import { diag } from '../../host/diagnostics.js'
import type { AuditBatch, WriteResult } from '../../contract/sink.js'
import type { Connection } from '../connection.js'
import { fault, isLasting, isOutsideKeptRange } from '../faults.js'
import { ensurePartitionFor, ensurePartitions } from '../partitions.js'

/** How often the writer makes sure that partitions are ahead, in ms. */
const EVERY_MS = 24 * 60 * 60 * 1000

/** Why a batch is not stored yet. */
export type Unstored = Exclude<WriteResult, { status: 'committed' }>

/** ms since the Unix epoch, by the database's clock; undefined when it does not answer. */
export async function serverTime(connection: Connection): Promise<number | undefined> {
  const text = 'select (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint as now'
  try {
    const { rows } = await connection.run((client) => client.query<{ now: string }>(text))
    return Number(rows[0]?.now)
  } catch {
    return undefined
  }
}

/** Sees to it that the rows of a writer have partitions. */
export class PartitionKeeper {
  readonly #schema: string
  #checkedAt = -Infinity

  constructor(schema: string) {
    this.#schema = schema
  }

  /**
   * Once a day: the partitions that are kept ahead. What goes wrong here must not stop today's rows.
   *
   * @throws what broke the connection
   */
  async keepAhead(connection: Connection): Promise<void> {
    if (performance.now() - this.#checkedAt < EVERY_MS) return
    this.#checkedAt = performance.now()
    try {
      await connection.run((client) => ensurePartitions(client, this.#schema))
    } catch (error) {
      diag.error(
        'otel-audit: the partitions that are kept ahead could not be made',
        fault('AUDIT_UNAVAILABLE', 'ensure', error).message,
      )
      if (connection.isBroken) throw error
    }
  }

  /** The partitions of a batch that was refused for want of one. @returns why it is not worth another try at once */
  async addFor(connection: Connection, batch: AuditBatch): Promise<Unstored | undefined> {
    const ends = [batch.entries[0], batch.entries.at(-1)]
    try {
      await connection.run(async (client) => {
        for (const entry of ends) {
          if (entry !== undefined) await ensurePartitionFor(client, this.#schema, entry.event.auditId)
        }
      })
      return undefined
    } catch (error) {
      if (isOutsideKeptRange(error)) {
        const why = fault('AUDIT_REJECTED', 'outside the kept range', error)
        return { status: 'refused', fault: why, misdatedAt: await serverTime(connection) }
      }
      const why = fault('AUDIT_UNAVAILABLE', 'a partition is missing, and could not be made', error)
      return { status: 'failed', lasting: isLasting(error), fault: why }
    }
  }
}

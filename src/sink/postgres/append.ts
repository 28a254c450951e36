import type { ClientBase, QueryArrayConfig } from 'pg'
import type { AuditBatch, BatchEntry } from '../sink.js'
import { readSql, renderSql } from './sql-text.js'

/** The parameters of `append.sql`, in its order: one array a column. */
const COLUMNS: readonly ((entry: BatchEntry) => string | number | bigint | Buffer | null)[] = [
  ({ event }) => event.auditId,
  ({ event }) => event.occurredAt,
  ({ event }) => event.credential,
  ({ event }) => event.operation,
  ({ event }) => event.outcome,
  ({ event }) => event.workerId,
  ({ event }) => event.executionId,
  ({ event }) => event.parentExecutionId,
  ({ event }) => event.serverRegion,
  ({ event }) => event.brokerRegion,
  ({ event }) => event.kekVersion,
  ({ event }) => event.notes,
  ({ event }) => event.actorId,
  ({ event }) => event.actorType,
  ({ event }) => event.sourceAddress,
  ({ event }) => event.serviceName,
  ({ event }) => event.serviceInstanceId,
  ({ event }) => event.traceId,
  ({ event }) => event.spanId,
  ({ event }) => event.attributesJson,
  ({ event }) => event.originalAuditId,
  ({ digest }) => digest,
]

/** The two hot statements, for one schema. */
export class AppendStatements {
  readonly #append: string
  readonly #held: string

  private constructor(append: string, held: string) {
    this.#append = append
    this.#held = held
  }

  static async load(schema: string): Promise<AppendStatements> {
    const [append, held] = await Promise.all([readSql('./append.sql'), readSql('./held.sql')])
    return new AppendStatements(renderSql(append, schema), renderSql(held, schema))
  }

  /**
   * Writes a batch: one statement, one round trip, one transaction of its own.
   *
   * @returns µs since the Unix epoch, by the database's clock
   */
  async append(client: ClientBase, batch: AuditBatch): Promise<number> {
    const query: QueryArrayConfig = {
      name: 'otel-audit append 1',
      text: this.#append,
      values: COLUMNS.map((column) => batch.entries.map(column)),
      rowMode: 'array',
    }
    const { rows } = await client.query<[string]>(query)
    return Number(rows[0]?.[0])
  }

  /** Which ids are taken, and by what: the digest, or `null` for a row without one. Primary only. */
  async held(client: ClientBase, ids: readonly bigint[]): Promise<Map<bigint, Buffer | null>> {
    const query: QueryArrayConfig = { text: this.#held, values: [ids], rowMode: 'array' }
    const { rows } = await client.query<[string, Buffer | null]>(query)
    return new Map(rows.map(([id, digest]) => [BigInt(id), digest]))
  }
}

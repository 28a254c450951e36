import type { ClientBase, QueryArrayConfig } from 'pg'
import type { AuditBatch, BatchEntry } from '../sink.js'
import { readSql, renderSql } from './sql-text.js'

/**
 * A row by its columns: `append.sql` reads it by their names, `append-one.sql` in this order. 64-bit integers are text,
 * since as JSON numbers they would be rounded. What is `undefined` is NULL; as JSON it takes no byte.
 */
function rowOf({ event, digest }: BatchEntry): Readonly<Record<string, string | number | undefined>> {
  return {
    audit_id: int8(event.auditId),
    occurred_at: event.occurredAt,
    credential: event.credential,
    operation: event.operation,
    outcome: event.outcome,
    worker_id: event.workerId ?? undefined,
    execution_id: int8(event.executionId),
    parent_execution_id: int8(event.parentExecutionId),
    server_region: event.serverRegion ?? undefined,
    broker_region: event.brokerRegion ?? undefined,
    kek_version: event.kekVersion ?? undefined,
    notes: event.notes ?? undefined,
    actor_id: event.actorId ?? undefined,
    actor_type: event.actorType ?? undefined,
    source_address: event.sourceAddress ?? undefined,
    service_name: event.serviceName ?? undefined,
    service_instance_id: event.serviceInstanceId ?? undefined,
    trace_id: event.traceId ?? undefined,
    span_id: event.spanId ?? undefined,
    attributes: event.attributesJson ?? undefined,
    original_audit_id: int8(event.originalAuditId),
    event_digest: `\\x${digest.toString('hex')}`,
  }
}

function int8(value: bigint | null): string | undefined {
  return value === null ? undefined : value.toString()
}

/** The hot statements, for one schema. */
export class AppendStatements {
  readonly #appendOne: string
  readonly #append: string
  readonly #held: string

  private constructor(appendOne: string, append: string, held: string) {
    this.#appendOne = appendOne
    this.#append = append
    this.#held = held
  }

  static async load(schema: string): Promise<AppendStatements> {
    const load = async (file: string): Promise<string> => renderSql(await readSql(file), schema)
    return new AppendStatements(
      ...(await Promise.all([load('./append-one.sql'), load('./append.sql'), load('./held.sql')])),
    )
  }

  /**
   * Writes a batch: one statement, one round trip, one transaction of its own.
   *
   * @returns µs since the Unix epoch, by the database's clock
   */
  async append(client: ClientBase, batch: AuditBatch): Promise<number> {
    const rows = batch.entries.map(rowOf)
    const [only] = rows
    const query: QueryArrayConfig =
      rows.length === 1 && only !== undefined
        ? {
            name: 'otel-audit append one',
            text: this.#appendOne,
            values: Object.values(only),
            rowMode: 'array',
          }
        : {
            name: 'otel-audit append',
            text: this.#append,
            values: [JSON.stringify(rows), rows.length],
            rowMode: 'array',
          }
    const answer = await client.query<[string]>(query)
    return Number(answer.rows[0]?.[0])
  }

  /** Which ids are taken, and by what: the digest, or `null` for a row without one. Primary only. */
  async held(client: ClientBase, ids: readonly bigint[]): Promise<Map<bigint, Buffer | null>> {
    const query: QueryArrayConfig = { text: this.#held, values: [ids], rowMode: 'array' }
    const { rows } = await client.query<[string, Buffer | null]>(query)
    return new Map(rows.map(([id, digest]) => [BigInt(id), digest]))
  }
}

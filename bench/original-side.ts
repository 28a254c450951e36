import { SpanKind, type Tracer } from '@opentelemetry/api'
import { SnowflakeGenerator } from 'otel-audit'
import { Client, Pool } from 'pg'
import { ORIGINAL_INSERT, ORIGINAL_START_UP } from '../test/postgres/adopt/original-table.js'
import { access, attributesByHand } from './access.js'
import type { Side } from './closed-loop.js'
import { RowCheck } from './missing-rows.js'

/** Connections of the original's pool. */
const POOL_SIZE = 10

/** The table as the original makes it. */
export async function prepareOriginal(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    for (const statement of ['create schema noetl', ...ORIGINAL_START_UP]) await client.query(statement)
  } finally {
    await client.end()
  }
}

/**
 * The original's way: one INSERT of twelve columns for each event, through a pool of ten connections, and a span
 * around it. The statement is prepared, once a connection, as the original's driver does it.
 */
export class OriginalSide implements Side {
  readonly #pool: Pool
  readonly #check: RowCheck
  readonly #tracer: Tracer | undefined
  readonly #ids = new SnowflakeGenerator(0)

  private constructor(pool: Pool, check: RowCheck, tracer: Tracer | undefined) {
    this.#pool = pool
    this.#check = check
    this.#tracer = tracer
  }

  static async open(databaseUrl: string, tracer: Tracer | undefined): Promise<OriginalSide> {
    const pool = new Pool({ connectionString: databaseUrl, max: POOL_SIZE, idleTimeoutMillis: 0 })
    return new OriginalSide(pool, await RowCheck.connect(databaseUrl), tracer)
  }

  async record(n: number): Promise<bigint> {
    const attempt = access(n)
    const { fields } = attempt
    const now = Date.now()
    const auditId = this.#ids.next(now)
    const id = `${auditId}`
    const span = this.#tracer?.startSpan('secret_audit get_credential', {
      kind: SpanKind.INTERNAL,
      attributes: { 'audit.record.id': id, ...attributesByHand(attempt, id) },
    })
    try {
      const { credential, operation, outcome, workerId, serverRegion, brokerRegion, kekVersion, notes } =
        fields
      await this.#pool.query({
        name: 'insert_event',
        text: ORIGINAL_INSERT,
        values: [
          id,
          new Date(now),
          credential,
          operation,
          outcome,
          workerId,
          attempt.executionId,
          attempt.parentExecutionId,
          serverRegion,
          brokerRegion,
          kekVersion,
          notes,
        ],
      })
      return auditId
    } finally {
      span?.end()
    }
  }

  missing(acknowledged: readonly bigint[]): Promise<number> {
    return this.#check.missing(acknowledged)
  }

  async close(): Promise<void> {
    await this.#pool.end()
    await this.#check.close()
  }
}

import type { ClientBase, QueryArrayConfig } from 'pg'
import type { BlockColumns } from '../../chain/block-columns.js'
import type { BatchEntry } from '../../contract/sink.js'
import { BLOCK_COLUMNS, blockOfRow, blockSelect, blockValues } from '../block-row.js'
import { readSql, renderSql } from '../sql-text.js'
import type { Demands } from '../store/guard.js'
import { shapeSql } from '../store/shape.js'
import { runTogether, type Step, type Value } from './pipeline.js'
import { blockAsSent, rowsAsSent } from './record-bytes.js'

/**
 * A row by its columns: `append.sql` reads it by their names, `append-one.sql` in this order. 64-bit integers are text,
 * since as JSON numbers they would be rounded. What is `undefined` is NULL; as JSON it takes no byte.
 */
function rowOf(
  { event, digest }: BatchEntry,
  index: number,
): Readonly<Record<string, string | number | undefined>> {
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
    block_index: index,
  }
}

function int8(value: bigint | null): string | undefined {
  return value === null ? undefined : value.toString()
}

/** A block as it is stored, and when the database stored it. */
export interface RecordedBlock {
  readonly columns: BlockColumns
  /** µs since the Unix epoch, by the database's clock. */
  readonly recordedAt: number
}

/** A row under one of our ids, as it describes itself. */
export interface HeldRow {
  readonly auditId: bigint
  /** `null`: it has none that could be one. */
  readonly digest: Buffer | null
  /** 32 hex digits. */
  readonly chain: string | null
  readonly block: bigint | null
  readonly index: number | null
}

type HeldColumns = [
  id: string,
  digest: Buffer | null,
  chain: string | null,
  block: string | null,
  index: number | null,
]

const PREPARED = ['append', 'append-one', 'append-block', 'append-proof'] as const
const LOOKUPS = ['held', 'held-proven', 'held-blocks', 'held-mates', 'newest-blocks'] as const
const FILES = [...PREPARED, ...LOOKUPS] as const
type Statement = (typeof FILES)[number]

/** What begins the names of prepared statements. */
const PREFIX = 'otel-audit'

/** To plan the proof again for every batch would take longer than to run it. */
const KEEP_PLANS = 'set plan_cache_mode = force_generic_plan'

/** Not the name of anything, in any database: its quote does not end. */
const NO_NAME = '"the store'

/** The hot statements, for one schema. */
export class AppendStatements {
  readonly #sql: Readonly<Record<Statement, string>>
  /** Which of the hot ones a connection knows. */
  readonly #prepared = new WeakMap<ClientBase, Set<Statement>>()

  private constructor(sql: Readonly<Record<Statement, string>>) {
    this.#sql = sql
  }

  static async load(schema: string): Promise<AppendStatements> {
    const texts = FILES.map(async (file) => {
      const text = await readSql(`./${file}.sql`, import.meta.url)
      return [
        file,
        renderSql(text, schema, {
          BLOCK: blockSelect('block'),
          SHAPE: shapeSql('relation'),
        }),
      ] as const
    })
    return new AppendStatements(Object.fromEntries(await Promise.all(texts)) as Record<Statement, string>)
  }

  /**
   * Writes rows and their block, and proves that they are stored as they were sent, in a store that is what it has to be:
   * one round trip, one transaction of its own.
   *
   * @param entries those of the block; none for a block without rows
   * @returns µs since the Unix epoch, by the database's clock
   */
  async append(
    client: ClientBase,
    block: BlockColumns,
    entries: readonly BatchEntry[],
    demands: Demands,
  ): Promise<number> {
    const insert = this.#insert(block, entries)
    const proof = proofOf(block, entries, demands)
    const steps = demands.isDeferredFired ? [insert, FIRE_DEFERRED, proof] : [insert, proof]
    await this.#prepare(client, steps)
    return Number(await runTogether(client, steps))
  }

  /** Once for each connection: no statement of a batch is parsed again. One that is not used yet waits for no lock. */
  async #prepare(client: ClientBase, steps: readonly Step[]): Promise<void> {
    const known = this.#prepared.get(client) ?? new Set()
    if (known.size === 0) await client.query(KEEP_PLANS)
    this.#prepared.set(client, known)
    for (const name of PREPARED) {
      const prepared = `${PREFIX} ${name}`
      if (known.has(name) || !steps.some((step) => step.name === prepared)) continue
      await client.query(`prepare "${prepared}" as ${this.#sql[name]}`)
      known.add(name)
    }
  }

  #insert(block: BlockColumns, entries: readonly BatchEntry[]): Step {
    const rows = entries.map(rowOf)
    const [first] = rows
    const values = blockValues(block)
    if (first === undefined) return step('append-block', values)
    if (rows.length === 1) return step('append-one', [...Object.values(first), ...values])
    return step('append', [JSON.stringify(rows), rows.length, ...values])
  }

  /**
   * Resolves when the server has confirmed whatever it committed before, on its synchronous standby too: a row that is seen
   * may still wait for it, or may have lost its wait in a crash. A commit without a record in the WAL would not wait.
   */
  async confirm(client: ClientBase): Promise<void> {
    await client.query("select pg_logical_emit_message(true, 'otel-audit', '')")
  }

  /** Which ids are taken, and by what they say of themselves. Primary only. */
  async held(client: ClientBase, ids: readonly bigint[]): Promise<HeldRow[]> {
    const rows = await this.#rows<HeldColumns>(client, 'held', [ids])
    return rows.map(([id, digest, chain, block, index]) => ({
      auditId: BigInt(id),
      digest,
      chain: chain?.replaceAll('-', '') ?? null,
      block: block === null ? null : BigInt(block),
      index,
    }))
  }

  /** Under which of the ids a row is stored whose columns give the digest that it says. Primary only. */
  async proven(client: ClientBase, ids: readonly bigint[]): Promise<Set<bigint>> {
    const rows = await this.#rows<[string]>(client, 'held-proven', [ids])
    return new Set(rows.map(([id]) => BigInt(id)))
  }

  /** A block, and those before it that brought in a key, in ascending order. Primary only. */
  async heldBlocks(client: ClientBase, chain: string, block: bigint): Promise<BlockColumns[]> {
    return (await this.#rows(client, 'held-blocks', [chain, block])).map((row) => blockOfRow(row))
  }

  /** The digests of a block's rows, by their places in it. Primary only. */
  async heldMates(client: ClientBase, block: BlockColumns): Promise<Map<number, Buffer>> {
    const { chainId, blockNo, minId, maxId } = block
    return new Map(await this.#rows<[number, Buffer]>(client, 'held-mates', [chainId, blockNo, minId, maxId]))
  }

  /** The two newest blocks of a chain up to a number, the newest first. Primary only. */
  async newestBlocks(client: ClientBase, chain: string, upTo: bigint): Promise<RecordedBlock[]> {
    const rows = await this.#rows(client, 'newest-blocks', [chain, upTo])
    return rows.map((row) => ({ columns: blockOfRow(row), recordedAt: Number(row[BLOCK_COLUMNS]) }))
  }

  async #rows<Row extends unknown[]>(client: ClientBase, name: Statement, values: unknown[]): Promise<Row[]> {
    const query: QueryArrayConfig = { text: this.#sql[name], values, rowMode: 'array' }
    return (await client.query<Row>(query)).rows
  }
}

/** What a deferred trigger does, it does before the proof. A statement like this one cannot be prepared. */
const FIRE_DEFERRED: Step = { text: 'set constraints all immediate', values: [], tag: 'SET CONSTRAINTS' }

function step(name: Statement, values: readonly (string | number | Buffer | null | undefined)[]): Step {
  const sent = values.map((value): Value => (typeof value === 'number' ? String(value) : (value ?? null)))
  return { name: `${PREFIX} ${name}`, values: sent, tag: 'SELECT 1' }
}

function proofOf(block: BlockColumns, entries: readonly BatchEntry[], demands: Demands): Step {
  return step('append-proof', [
    demands.synchronousCommit,
    arrayOf(entries.map(({ event }) => event.auditId)),
    demands.shapes === undefined ? null : arrayOf(demands.shapes),
    block.chainId,
    block.blockNo.toString(),
    blockAsSent(block),
    rowsAsSent(block, entries),
    NO_NAME,
  ])
}

/** Of numbers, or of texts that need only quotes. */
function arrayOf(values: readonly (string | bigint)[]): string {
  return `{${values.map((value) => (typeof value === 'bigint' ? value : JSON.stringify(value))).join(',')}}`
}

import { availableParallelism } from 'node:os'
import { wallClock } from '../../host/globals.js'
import type { ClientBase, CustomTypesConfig } from 'pg'
import type { BlockColumns } from '../../chain/block-columns.js'
import {
  ALL_IDS,
  type IdRange,
  type RetentionRow,
  type RowBlock,
  type CheckedRow,
  type Selection,
  type StoreAlteration,
  type StoredLeaf,
  type TrailSource,
} from '../../verify/source.js'
import type { ChainStart } from '../../verify/chain-start.js'
import { AuditError } from '../../errors.js'
import type { ActorType, AuditEvent } from '../../event/event.js'
import { boundedBlockSelect } from '../block-row.js'
import { readBlock, readRowBlock } from './copied-block.js'
import { readChainStart, readLeaf, readRetentionRow } from './copied-retention.js'
import { copyOut, type ReadTuple } from './copy-out.js'
import type { Connection } from '../connection.js'
import { fault } from '../faults.js'
import { readCheckedRow, readWholeRow } from './checked-row.js'
import type { ReadRow } from './copied-event.js'
import { BOUNDED_EVENT } from './event-select.js'
import { type Place, readPlace } from '../place.js'
import { checkSchemaName } from '../schema-name.js'
import { checkSchema } from '../schema-version.js'
import type { DatabaseUrl } from '../database-url.js'
import { openSession, type SessionTarget } from '../session.js'
import { alterationsOf, isTable, type Relation } from './store-shape.js'
import type { RowsOrder } from './rows-worker.js'
import { rowsOfThread } from './rows-thread.js'
import { watchOf } from './server-watch.js'
import { exportSnapshot, importSnapshot, type SharedSnapshot } from './shared-snapshot.js'
import { readSql, renderSql } from '../sql-text.js'
import { readIdentity } from '../trail-identity.js'

export interface SnapshotOptions {
  readonly databaseUrl: DatabaseUrl
  readonly schema: string
  /** Identities of the trail: with any other one it is not opened. Undefined or empty: whichever is there. */
  readonly trails?: readonly string[] | undefined
}

/** Rows from which on a thread of their own is worth its start, in the time that verifying takes. */
const WORTH_A_THREAD = 100_000

const WHOLE_TRAIL: Selection = Object.freeze({ chain: undefined, ids: undefined })

type Texts = Readonly<Record<(typeof FILES)[number], string>>

const FILES = [
  'store-shape',
  'trail-blocks',
  'trail-key-blocks',
  'trail-block-run',
  'trail-row-blocks',
  'trail-rows',
  'trail-event',
  'trail-retention',
  'trail-leaves',
  'trail-chain-starts',
] as const

/**
 * One snapshot of a trail, read by two connections: the rows come by on one while their blocks come by on the other. Many
 * rows come by on a third, of a thread that reads and hashes them.
 * Needs the rights of the reader role.
 */
export class Snapshot implements TrailSource {
  /** When it was taken, by this machine's clock: µs since the Unix epoch. */
  readonly now = wallClock() * 1000
  readonly #rows: Connection
  readonly #blocks: Connection
  readonly #schema: string
  readonly #sql: Texts
  readonly #shape: readonly Relation[]

  readonly #target: SessionTarget
  readonly #shared: SharedSnapshot

  private constructor(
    sessions: readonly [Connection, Connection],
    schema: string,
    sql: Texts,
    target: SessionTarget,
    shape: readonly Relation[],
    shared: SharedSnapshot,
  ) {
    this.#target = target
    this.#shared = shared
    ;[this.#rows, this.#blocks] = sessions
    this.#schema = schema
    this.#sql = sql
    this.#shape = shape
  }

  /**
   * @throws AuditError `AUDIT_UNAVAILABLE` when the database cannot be read, `AUDIT_SCHEMA` when it has no trail,
   *   `AUDIT_TRAIL` when it has another one
   */
  static async open({ databaseUrl, schema, trails = [] }: SnapshotOptions): Promise<Snapshot> {
    checkSchemaName(schema)
    const texts = FILES.map(async (file) => [file, await readSql(`./${file}.sql`, import.meta.url)] as const)
    const sql = Object.fromEntries(await Promise.all(texts)) as Texts
    const expected = trails.length === 0 ? undefined : { schema, trails }
    const target = { databaseUrl, applicationName: 'otel-audit verify', expected }
    const sessions: Connection[] = []
    try {
      const rows = await openSession('verify', target)
      sessions.push(rows)
      await rows.run((client) => checkSchema(client, schema))
      const blocks = await openSession('verify', target)
      sessions.push(blocks)
      const shared = await exportSnapshot(rows)
      await importSnapshot(blocks, shared)
      const text = renderSql(sql['store-shape'], schema)
      const { rows: shape } = await rows.run((client) => client.query<Relation>(text))
      return new Snapshot([rows, blocks], schema, sql, target, shape, shared)
    } catch (error) {
      await Promise.allSettled(sessions.map((session) => session.close()))
      throw readable(error)
    }
  }

  async alterations(): Promise<readonly StoreAlteration[]> {
    return alterationsOf(this.#shape)
  }

  blocks(selection: Selection): AsyncIterable<readonly BlockColumns[]> {
    return readably(this.#copyOut(this.#blocks, this.#render('trail-blocks', selection, ALL_IDS), readBlock))
  }

  /** @param first the smallest id of a row that is asked for */
  async *retentionRows(first = ALL_IDS.first): AsyncGenerator<readonly RetentionRow[], void> {
    const sql = this.#render('trail-retention', WHOLE_TRAIL, { ...ALL_IDS, first })
    for await (const batch of readably(this.#copyOut(this.#blocks, sql, readRetentionRow))) {
      yield batch.filter((row) => row !== undefined)
    }
  }

  chainStarts(): AsyncIterable<readonly ChainStart[]> {
    const sql = this.#render('trail-chain-starts', WHOLE_TRAIL, ALL_IDS)
    return readably(this.#copyOut(this.#blocks, sql, readChainStart))
  }

  leaves(): AsyncIterable<readonly StoredLeaf[]> {
    return readably(this.#copyOut(this.#blocks, this.#render('trail-leaves', WHOLE_TRAIL, ALL_IDS), readLeaf))
  }

  /** A block of a chain, and those up to it that brought in a key: what tells who signed it. */
  keyBlocks(chain: string, block: number): AsyncIterable<readonly BlockColumns[]> {
    const upTo = { first: 0n, last: BigInt(block) }
    const sql = this.#render('trail-key-blocks', { chain, ids: undefined }, upTo)
    return readably(this.#copyOut(this.#blocks, sql, readBlock))
  }

  /** The blocks of a chain from one to another, both of them included. */
  blocksBetween(chain: string, first: number, last: number): AsyncIterable<readonly BlockColumns[]> {
    const range = { first: BigInt(first), last: BigInt(last) }
    const sql = this.#render('trail-block-run', { chain, ids: undefined }, range)
    return readably(this.#copyOut(this.#blocks, sql, readBlock))
  }

  rowBlocks(selection: Selection): AsyncIterable<readonly RowBlock[]> {
    const sql = this.#render('trail-row-blocks', selection, selection.ids ?? ALL_IDS)
    return readably(this.#copyOut(this.#blocks, sql, readRowBlock))
  }

  /** @param expected many of them are read and hashed by a thread of their own, which sees the same snapshot */
  rows(range: IdRange, selection: Selection, expected = 0): AsyncIterable<readonly CheckedRow[]> {
    const sql = this.#render('trail-rows', selection, range)
    const { databaseUrl } = this.#target
    // A function that gives the URL stays in this thread.
    const isAlone =
      expected < WORTH_A_THREAD || availableParallelism() === 1 || typeof databaseUrl !== 'string'
    const order = isAlone
      ? undefined
      : { target: { ...this.#target, databaseUrl }, snapshot: this.#shared, sql }
    const elsewhere = order === undefined ? undefined : threadIfAny(order)
    return readably(elsewhere ?? this.#copyOut(this.#rows, sql, readCheckedRow))
  }

  /** {@link rows} with what they say: the event of each is made from the bytes that were hashed. */
  wholeRows(range: IdRange, selection: Selection): AsyncIterable<readonly ReadRow[]> {
    return readably(this.#copyOut(this.#rows, this.#render('trail-rows', selection, range), readWholeRow))
  }

  /** Which trail it says that it is. @throws AuditError `AUDIT_TRAIL` when it says none */
  async trail(): Promise<string> {
    const { trail } = await this.#ask((client) => readIdentity(client, this.#schema))
    return trail
  }

  /** Transactions below it had ended when it was taken: their rows are a set that no longer changes. */
  async mark(): Promise<bigint> {
    const text = 'select pg_snapshot_xmin(pg_current_snapshot())::text as mark'
    const { rows } = await this.#ask((client) => client.query<{ mark: string }>({ text, types: AS_TEXT }))
    return BigInt(rows[0]?.mark ?? 0)
  }

  /** What marks of this trail are of. */
  place(): Promise<Place> {
    return this.#ask((client) => readPlace(client, this.#schema))
  }

  /** One row as the event that it makes, and where it says that it is. */
  async event(auditId: bigint): Promise<PlacedEvent | undefined> {
    const text = renderSql(this.#sql['trail-event'], this.#schema)
    try {
      const query = { text, values: [auditId], rowMode: 'array' as const, types: AS_TEXT }
      const { rows } = await this.#rows.run((client) => client.query<(string | null)[]>(query))
      return rows[0] === undefined ? undefined : placedEvent(rows[0])
    } catch (error) {
      throw readable(error)
    }
  }

  /**
   * What a statement gives that is not one of these: `COPY … TO STDOUT (FORMAT binary)`, beside the rows that come by.
   *
   * @param values of its placeholders, beside the schema and `:BLOCK`
   */
  copy<T>(
    text: string,
    values: Readonly<Record<string, string>>,
    read: ReadTuple<T>,
    connection = this.#blocks,
  ): AsyncIterable<readonly T[]> {
    const sql = renderSql(text, this.#schema, { BLOCK: boundedBlockSelect('block'), ...values })
    return readably(this.#copyOut(connection, sql, read))
  }

  /** Another session with the same snapshot. Who asks for it closes it. */
  async openBeside(): Promise<Connection> {
    try {
      const session = await openSession('verify', this.#target)
      await importSnapshot(session, this.#shared)
      return session
    } catch (error) {
      throw readable(error)
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#rows.close(), this.#blocks.close()])
  }

  async #ask<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    try {
      return await this.#rows.run(work)
    } catch (error) {
      throw readable(error)
    }
  }

  #copyOut<T>(connection: Connection, sql: string, read: ReadTuple<T>): AsyncIterable<readonly T[]> {
    return copyOut(connection, sql, read, undefined, watchOf(this.#target))
  }

  /** COPY takes no parameters: numbers and hex digits are written into the text. */
  #render(file: (typeof FILES)[number], { chain }: Selection, range: IdRange): string {
    if (chain !== undefined && !/^[0-9a-f]{32}$/.test(chain)) throw new TypeError('not the id of a chain')
    return renderSql(this.#sql[file], this.#schema, {
      BLOCK: boundedBlockSelect('block'),
      EVENT: BOUNDED_EVENT,
      XMIN: isTable(this.#shape) ? 'xmin' : 'null::xid',
      CHAIN: chain === undefined ? 'null::uuid' : `'${chain}'::uuid`,
      FIRST: `'${range.first}'::bigint`,
      LAST: `'${range.last}'::bigint`,
    })
  }
}

/** A row, taken for what it says. */
export interface PlacedEvent {
  readonly event: AuditEvent
  readonly place: { readonly chain: string; readonly block: number; readonly index: number } | undefined
}

/** The parsers of `pg` are one table for the whole process, and applications change it. */
const AS_TEXT: CustomTypesConfig = { getTypeParser: () => (text: string) => text }

function placedEvent(columns: readonly (string | null)[]): PlacedEvent {
  const text = (column: number): string | null => columns[column] ?? null
  const integer = (column: number): bigint | null => {
    const value = text(column)
    return value === null ? null : BigInt(value)
  }
  const [chain, block, index] = [text(21), text(22), text(23)]
  const isPlaced = chain !== null && block !== null && index !== null
  return {
    event: {
      auditId: integer(0) ?? 0n,
      occurredAt: Number(text(1)),
      credential: text(2) ?? '',
      operation: text(3) ?? '',
      outcome: text(4) ?? '',
      workerId: text(5),
      executionId: integer(6),
      parentExecutionId: integer(7),
      serverRegion: text(8),
      brokerRegion: text(9),
      kekVersion: text(10),
      notes: text(11),
      actorId: text(12),
      actorType: text(13) as ActorType | null,
      sourceAddress: text(14),
      serviceName: text(15),
      serviceInstanceId: text(16),
      traceId: text(17),
      spanId: text(18),
      attributesJson: text(19),
      originalAuditId: integer(20),
    },
    place: isPlaced ? { chain, block: Number(block), index: Number(index) } : undefined,
  }
}

/** Where there can be no thread, this one reads. */
function threadIfAny(order: RowsOrder): AsyncIterable<readonly CheckedRow[]> | undefined {
  try {
    return rowsOfThread(order)
  } catch (error) {
    if (error instanceof AuditError) return undefined
    throw error
  }
}

function readable(error: unknown): AuditError {
  if (error instanceof AuditError) return error
  const { code, message, cause } = fault('AUDIT_UNAVAILABLE', 'the trail cannot be read', error)
  return new AuditError(code, message, { cause })
}

async function* readably<T>(batches: AsyncIterable<T>): AsyncGenerator<T, void> {
  try {
    yield* batches
  } catch (error) {
    throw readable(error)
  }
}

import type { ClientBase, QueryArrayConfig } from 'pg'
import type { BlockColumns } from '../../chain/block-columns.js'
import type { BatchEntry } from '../../contract/sink.js'
import { BLOCK_COLUMNS, blockBytes, blockOfRow, blockSelect, blockValues } from '../block-row.js'
import type { AuditEvent } from '../../event/event.js'
import { redatedNear } from '../../event/redate.js'
import { firstIdOf } from '../../event/snowflake.js'
import { readSql, renderSql } from '../sql-text.js'
import { runTogether, type Step } from '../request.js'
import { SEARCH_PATH } from '../session-settings.js'
import type { Result, StatementConfig } from '../statement.js'
import type { Demands } from '../store/guard.js'
import { shapeSql } from '../store/shape.js'
import { BadAnswer, type Wire } from '../wire.js'
import { blockAsSent, rowsArray, rowsOfArray } from './record-bytes.js'
import { setAsideJson } from './set-aside.js'

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

/** A row that may be one of our events under another id. */
export interface HeldElsewhere extends HeldRow {
  readonly originalAuditId: bigint | null
}

/** An event that a row may be: its digest without the service's name and instance, and the gateway's attributes. */
export interface Likeness {
  readonly id: bigint
  readonly digest: Buffer
  readonly service: string | null
  readonly isHandedIn: boolean
}

type HeldColumns = [
  id: string,
  digest: Buffer | null,
  chain: string | null,
  block: string | null,
  index: number | null,
]

type HeldElsewhereColumns = [...HeldColumns, original: string | null]

const HOT = ['append-rows', 'append-block', 'append-proof', 'append-check', 'set-aside'] as const
const LOOKUPS = [
  'held',
  'held-elsewhere',
  'held-proven',
  'held-blocks',
  'held-mates',
  'newest-blocks',
  'same-event',
] as const
const FILES = [...HOT, ...LOOKUPS] as const
type Statement = (typeof FILES)[number]

/** A text that is not the name of anything, in any database: its quote does not end. */
const NO_NAME = `'"the store'`

/** The hot statements, for one schema. */
export class AppendStatements {
  readonly #sql: Readonly<Record<Statement, string>>
  /** Connections on which rows were read back as they were sent. */
  readonly #proven = new WeakSet<Wire>()

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
          BYTES: blockBytes('block'),
          SHAPE: shapeSql('relation.oid'),
          SHAPES: shapeSql('any ($5::pg_catalog.oid[])'),
          NO_NAME,
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
   * @throws BadAnswer when what came is not the answer to it: the rows may be stored
   */
  async append(
    wire: Wire,
    block: BlockColumns,
    entries: readonly BatchEntry[],
    demands: Demands,
  ): Promise<number> {
    const rows = entries.length === 0 ? NO_ROWS : rowsArray(block, entries)
    const insert =
      entries.length === 0
        ? this.#hot('append-block', 'INSERT 0 1', blockValues(block))
        : this.#hot('append-rows', 'SELECT 1', [rows, entries.length, ...blockValues(block)])
    const { synchronousCommit, shapes, relations } = demands
    const common = [synchronousCommit, block.chainId, block.blockNo, blockAsSent(block)]
    const aside = entries.flatMap(({ setAside = [] }, index) =>
      setAside.length === 0
        ? []
        : [
            this.#hot('set-aside', 'SELECT 1', [
              setAsideJson(setAside),
              block.chainId,
              block.blockNo,
              index,
              setAside.length,
            ]),
          ],
    )
    const steps = [insert, ...aside]
    // The first rows of a connection are read back in any case.
    if (relations !== undefined && this.#proven.has(wire)) {
      steps.push(this.#hot('append-check', 'SELECT 1', [...common, relations.oids, relations.shape]))
    } else {
      const ids = entries.map(({ event }) => event.auditId)
      if (demands.isDeferredFired) steps.push(FIRE_DEFERRED)
      steps.push(OUR_PATH, this.#hot('append-proof', 'SELECT 1', [...common, shapes, ids, rowsOfArray(rows)]))
    }
    const results = await runTogether(wire, steps)
    if (entries.length > 0) checkStored(results[0], entries.length)
    const at = committedAt(results.at(-1))
    if (entries.length > 0) this.#proven.add(wire)
    return at
  }

  /** Parsed once for each connection, and only when it is used: until then it waits for no lock. */
  #hot(name: (typeof HOT)[number], tag: string, values: unknown[]): Step {
    return { name: nameOf(name), text: this.#sql[name], values, isUndescribed: true, tag }
  }

  /**
   * Resolves when the server has confirmed whatever it committed before, on its synchronous standby too: a row that is seen
   * may still wait for it, or may have lost its wait in a crash. A commit without a record in the WAL would not wait.
   */
  async confirm(client: ClientBase): Promise<void> {
    await alone(client, { text: "select pg_logical_emit_message(true, 'otel-audit', '')", rowMode: 'array' })
  }

  /** Which ids are taken, and by what they say of themselves. Primary only. */
  async held(client: ClientBase, ids: readonly bigint[]): Promise<HeldRow[]> {
    const rows = await this.#rows<HeldColumns>(client, 'held', [ids])
    return rows.map(heldRow)
  }

  /** Rows that may be these events under an id of another time. Primary only. */
  async heldElsewhere(client: ClientBase, events: readonly AuditEvent[]): Promise<HeldElsewhere[]> {
    const times = [...new Set(events.map(({ occurredAt }) => occurredAt))]
    const milliseconds = events.flatMap(redatedNear).map((ms) => firstIdOf(ms))
    const own = events.flatMap(({ originalAuditId }) => originalAuditId ?? [])
    const rows = await this.#rows<HeldElsewhereColumns>(client, 'held-elsewhere', [
      events.map(({ auditId, originalAuditId }) => originalAuditId ?? auditId),
      times,
      milliseconds,
      own,
    ])
    return rows.map(([id, digest, chain, block, index, original]) => ({
      ...heldRow([id, digest, chain, block, index]),
      originalAuditId: original === null ? null : BigInt(original),
    }))
  }

  /** Under which of the ids a row is stored whose columns give the digest that it says. Primary only. */
  async proven(client: ClientBase, ids: readonly bigint[]): Promise<Set<bigint>> {
    const rows = await this.#rows<[string]>(client, 'held-proven', [ids])
    return new Set(rows.map(([id]) => BigInt(id)))
  }

  /** Under which of the ids a row is stored that is one of the events that are given as like it. Primary only. */
  async sameEvent(client: ClientBase, candidates: readonly Likeness[]): Promise<Set<bigint>> {
    const rows = await this.#rows<[string]>(client, 'same-event', [
      candidates.map(({ id }) => id),
      candidates.map(({ digest }) => digest),
      candidates.map(({ service }) => service),
      candidates.map(({ isHandedIn }) => isHandedIn),
    ])
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

  #rows<Row extends unknown[]>(
    client: ClientBase,
    name: (typeof LOOKUPS)[number],
    values: unknown[],
  ): Promise<readonly Row[]> {
    return rowsAlone<Row>(client, { text: this.#sql[name], values, rowMode: 'array' })
  }
}

function heldRow([id, digest, chain, block, index]: HeldColumns): HeldRow {
  return {
    auditId: BigInt(id),
    digest,
    chain: chain?.replaceAll('-', '') ?? null,
    block: block === null ? null : BigInt(block),
    index,
  }
}

/** What a deferred trigger does, it does before the proof. */
const FIRE_DEFERRED: Step = { text: 'set constraints all immediate', tag: 'SET CONSTRAINTS' }

const NO_ROWS = Buffer.alloc(0)

/** Of a prepared statement. */
const nameOf = (statement: Statement): string => `otel-audit ${statement}`

/**
 * Code of others that ran in the INSERT may have put a schema of its own first, for this transaction or for the session: what
 * the proof names is looked up where ours is. Not local, so that what comes after the transaction is, too.
 */
const OUR_PATH: Step = { name: 'otel-audit path', text: `set search_path = ${SEARCH_PATH}`, tag: 'SET' }

/**
 * Runs a statement that must be a transaction of its own: in one that somebody left open, nothing would be committed,
 * and what is read would not be what is stored.
 */
async function alone(client: ClientBase, config: QueryArrayConfig): Promise<Result> {
  const statement: StatementConfig = { ...config, alone: true }
  return (await client.query(statement)) as unknown as Result
}

async function rowsAlone<Row>(client: ClientBase, config: QueryArrayConfig): Promise<readonly Row[]> {
  return (await alone(client, config)).rows as readonly unknown[] as readonly Row[]
}

const NOTHING: Result = { rows: [], tag: '' }

/** The number of rows that the INSERT says: its tag is that of the SELECT around it. */
function checkStored({ rows }: Result = NOTHING, sent: number): void {
  const [row, ...more] = rows as readonly (readonly unknown[])[]
  const [stored, ...others] = row ?? []
  if (String(stored) !== String(sent) || more.length > 0 || others.length > 0) {
    throw new BadAnswer('an answer that says another number of rows than were sent')
  }
}

/** One row with one time in it, and the tag of one row: the absence of an error is not an answer. */
function committedAt({ rows, tag }: Result = NOTHING): number {
  const [row, ...more] = rows as readonly (readonly unknown[])[]
  const [time, ...others] = row ?? []
  const isTime = typeof time === 'string' && /^\d{1,16}$/.test(time) && Number.isSafeInteger(Number(time))
  if (tag !== 'SELECT 1' || more.length > 0 || others.length > 0 || !isTime) {
    throw new BadAnswer('an answer that does not say when the rows were stored')
  }
  return Number(time)
}

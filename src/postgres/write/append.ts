import type { ClientBase, QueryArrayConfig } from 'pg'
import type { BlockColumns } from '../../chain/block-columns.js'
import type { BatchEntry } from '../../contract/sink.js'
import { BLOCK_COLUMNS, blockOfRow, blockSelect, blockValues } from '../block-row.js'
import { readSql, renderSql } from '../sql-text.js'
import type { Result, StatementConfig } from '../statement.js'
import { BadAnswer } from '../wire.js'
import { rowsText, rowValues } from './row-text.js'

/** A block as it is stored, and when the database stored it. */
export interface RecordedBlock {
  readonly columns: BlockColumns
  /** µs since the Unix epoch, by the database's clock. */
  readonly recordedAt: number
}

const FILES = ['append', 'append-one', 'append-block', 'held', 'newest-blocks'] as const
type Statement = (typeof FILES)[number]

/** The hot statements, for one schema. */
export class AppendStatements {
  readonly #sql: Readonly<Record<Statement, string>>

  private constructor(sql: Readonly<Record<Statement, string>>) {
    this.#sql = sql
  }

  static async load(schema: string): Promise<AppendStatements> {
    const texts = FILES.map(async (file) => {
      const text = await readSql(`./${file}.sql`, import.meta.url)
      return [file, renderSql(text, schema, { BLOCK: blockSelect('block') })] as const
    })
    return new AppendStatements(Object.fromEntries(await Promise.all(texts)) as Record<Statement, string>)
  }

  /**
   * Writes rows and their block: one statement, one round trip, one transaction of its own.
   *
   * @param entries those of the block; none for a block without rows
   * @returns µs since the Unix epoch, by the database's clock
   * @throws BadAnswer when what came is not the answer to it: the rows may be stored
   */
  async append(client: ClientBase, block: BlockColumns, entries: readonly BatchEntry[]): Promise<number> {
    return committedAt(await alone(client, this.#appendQuery(block, entries)))
  }

  #appendQuery(block: BlockColumns, entries: readonly BatchEntry[]): QueryArrayConfig {
    const [first] = entries
    const values = blockValues(block)
    if (first === undefined) return this.#prepared('append-block', values)
    if (entries.length === 1) return this.#prepared('append-one', [...rowValues(first), ...values])
    return this.#prepared('append', [rowsText(entries), entries.length, ...values])
  }

  #prepared(name: Statement, values: readonly unknown[]): QueryArrayConfig {
    return { name: `otel-audit ${name}`, text: this.#sql[name], values: [...values], rowMode: 'array' }
  }

  /**
   * Resolves when the server has confirmed whatever it committed before, on its synchronous standby too: a row that is seen
   * may still wait for it, or may have lost its wait in a crash. A commit without a record in the WAL would not wait.
   */
  async confirm(client: ClientBase): Promise<void> {
    await alone(client, { text: "select pg_logical_emit_message(true, 'otel-audit', '')", rowMode: 'array' })
  }

  /** Which ids are taken, and by what: the digest, or `null` for a row without one. Primary only. */
  async held(client: ClientBase, ids: readonly bigint[]): Promise<Map<bigint, Buffer | null>> {
    const query: QueryArrayConfig = { text: this.#sql.held, values: [ids], rowMode: 'array' }
    const rows = await rowsAlone<[string, Buffer | null]>(client, query)
    return new Map(rows.map(([id, digest]) => [BigInt(id), digest]))
  }

  /** The two newest blocks of a chain up to a number, the newest first. Primary only. */
  async newestBlocks(client: ClientBase, chain: string, upTo: bigint): Promise<RecordedBlock[]> {
    const query: QueryArrayConfig = {
      text: this.#sql['newest-blocks'],
      values: [chain, upTo],
      rowMode: 'array',
    }
    const rows = await rowsAlone<unknown[]>(client, query)
    return rows.map((row) => ({ columns: blockOfRow(row), recordedAt: Number(row[BLOCK_COLUMNS]) }))
  }
}

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

/** One row with one time in it, and the tag of one row: the absence of an error is not an answer. */
function committedAt({ rows, tag }: Result): number {
  const [row, ...more] = rows as readonly (readonly unknown[])[]
  const [time, ...others] = row ?? []
  const isTime = typeof time === 'string' && /^\d{1,16}$/.test(time) && Number.isSafeInteger(Number(time))
  if (tag !== 'SELECT 1' || more.length > 0 || others.length > 0 || !isTime) {
    throw new BadAnswer('an answer that does not say when the rows were stored')
  }
  return Number(time)
}

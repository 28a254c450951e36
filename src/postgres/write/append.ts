import type { ClientBase, QueryArrayConfig } from 'pg'
import type { BlockColumns } from '../../chain/block-columns.js'
import type { BatchEntry } from '../../contract/sink.js'
import { BLOCK_COLUMNS, blockOfRow, blockSelect, blockValues } from '../block-row.js'
import { readSql, renderSql } from '../sql-text.js'
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
   */
  async append(client: ClientBase, block: BlockColumns, entries: readonly BatchEntry[]): Promise<number> {
    const answer = await client.query<[string]>(this.#appendQuery(block, entries))
    return Number(answer.rows[0]?.[0])
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
    await client.query("select pg_logical_emit_message(true, 'otel-audit', '')")
  }

  /** Which ids are taken, and by what: the digest, or `null` for a row without one. Primary only. */
  async held(client: ClientBase, ids: readonly bigint[]): Promise<Map<bigint, Buffer | null>> {
    const query: QueryArrayConfig = { text: this.#sql.held, values: [ids], rowMode: 'array' }
    const { rows } = await client.query<[string, Buffer | null]>(query)
    return new Map(rows.map(([id, digest]) => [BigInt(id), digest]))
  }

  /** The two newest blocks of a chain up to a number, the newest first. Primary only. */
  async newestBlocks(client: ClientBase, chain: string, upTo: bigint): Promise<RecordedBlock[]> {
    const query: QueryArrayConfig = {
      text: this.#sql['newest-blocks'],
      values: [chain, upTo],
      rowMode: 'array',
    }
    const { rows } = await client.query<unknown[]>(query)
    return rows.map((row) => ({ columns: blockOfRow(row), recordedAt: Number(row[BLOCK_COLUMNS]) }))
  }
}

import { type Place, placeOfTable } from '../postgres/place.js'
import { FOREIGN, Values } from './conditions.js'
import type { SettledState } from './settled-state.js'
import type { Statements } from './statements.js'

interface UnsettledRow {
  readonly rows: string
  readonly since: string | null
  readonly replicated: boolean
}

interface Store {
  /** What tells a foreign row: a view has no system columns, and then no row is known to be of this server. */
  readonly foreign: string
  /** What gives the identifier of the server. */
  readonly system: string
}

/** What is settled in a trail, and how it can be told. */
export class Marks {
  readonly #statements: Statements
  readonly #schema: string
  #shape: Promise<Store> | undefined

  constructor(statements: Statements, schema: string) {
    this.#statements = statements
    this.#schema = schema
  }

  async mark(): Promise<bigint> {
    return (await this.#marked()).mark
  }

  async settledState(): Promise<SettledState> {
    const { mark, system, table } = await this.#marked()
    const { foreign: FOREIGN } = await this.store()
    const values = new Values()
    values.add(mark, 'bigint')
    const [row] = await this.#statements.query<UnsettledRow>('unsettled', { FOREIGN }, values)
    const since = row?.since == null ? null : new Date(row.since)
    const replicated = row?.replicated === true
    return { mark, system, table, unsettled: Number(row?.rows ?? 0), since, replicated }
  }

  store(): Promise<Store> {
    this.#shape ??= this.#readStore().catch((error: unknown) => {
      this.#shape = undefined
      throw error
    })
    return this.#shape
  }

  async #marked(): Promise<Place & { readonly mark: bigint }> {
    const { system: SYSTEM } = await this.store()
    const TABLE = placeOfTable(this.#schema)
    const [row] = await this.#statements.query<{ mark: string; system: string | null; table: string }>(
      'mark',
      { SYSTEM, TABLE },
    )
    return { mark: BigInt(row?.mark ?? 0), system: row?.system ?? null, table: row?.table ?? '' }
  }

  async #readStore(): Promise<Store> {
    const [row] = await this.#statements.query<{ is_table: boolean; has_system: boolean }>('store')
    return {
      foreign: row?.is_table === true ? FOREIGN : 'true',
      system:
        row?.has_system === true ? '(select system_identifier::text from pg_control_system())' : 'null::text',
    }
  }
}

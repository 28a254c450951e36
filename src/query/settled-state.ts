/** What a set that is settled now has, and what it lacks. */
export interface SettledState {
  readonly mark: bigint
  /** Of the server that the mark is of, as `pg_control_system` has it. Null where this login may not ask. */
  readonly system: string | null
  /** The ids of the database and the table there that the mark is of, as `16384.16390`: a restored table has others. */
  readonly table: string
  /** Rows that are committed and not settled: a transaction that began before them is still open. */
  readonly unsettled: number
  /** When the first of them was recorded. */
  readonly since: Date | null
  /** Rows come here by logical replication. They are foreign: no mark says when, and a set that has them is not fixed. */
  readonly replicated: boolean
}

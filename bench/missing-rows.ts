import { Client } from 'pg'

/** Ids that are looked for by one statement. */
const AT_ONCE = 100_000

/** Looks events up on a connection of its own, which has no part in writing them. */
export class RowCheck {
  readonly #client: Client

  private constructor(client: Client) {
    this.#client = client
  }

  static async connect(databaseUrl: string): Promise<RowCheck> {
    const client = new Client({ connectionString: databaseUrl })
    await client.connect()
    return new RowCheck(client)
  }

  /** How many of these ids have no row in `noetl.secret_audit`. An id given twice needs two rows, so it counts. */
  async missing(ids: readonly bigint[]): Promise<number> {
    const different = [...new Set(ids)]
    let missing = ids.length
    for (let from = 0; from < different.length; from += AT_ONCE) {
      const { rows } = await this.#client.query<{ found: number }>(
        `select count(*)::int as found from noetl.secret_audit where audit_id = any ($1::bigint[])`,
        [different.slice(from, from + AT_ONCE)],
      )
      missing -= rows[0]?.found ?? 0
    }
    return missing
  }

  close(): Promise<void> {
    return this.#client.end()
  }
}

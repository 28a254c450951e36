import { Client } from 'pg'
import { waitUntil } from '../../test/support/wait-until.js'
import type { OldMonths } from './old-months.js'

/** Where a command is made to wait, so that it can be killed exactly there. */
export const STALLS = Object.freeze({
  /** Whoever reads what is left of retired rows, or keeps more of it. */
  leaves: 'lock table noetl.secret_audit_leaf in access exclusive mode',
  /** Whoever keeps more of it. */
  'new leaves': 'lock table noetl.secret_audit_leaf in share mode',
  /** Whoever looks at the holds to be sure of them. */
  holds: 'lock table noetl.secret_audit_hold in share row exclusive mode',
  /** Whoever writes where chains begin. */
  starts: 'lock table noetl.secret_audit_chain_start in share mode',
  /** Whoever removes the first block of the oldest chain that has ended. */
  blocks: `select from noetl.secret_audit_block block where block_no = 1 and kind = 'data' and exists (
      select from noetl.secret_audit_block last where last.chain_id = block.chain_id and last.kind = 'close' and last.block_no > 2)
    order by min_id limit 1 for update`,
  /** Whoever moves the state of a partition. */
  states: 'select from noetl.secret_audit_retirement for update',
})

/** A lock that is held until it is released, and whom it keeps waiting. */
export class Stall {
  readonly #trail: OldMonths
  readonly #client: Client
  readonly #pid: number

  private constructor(trail: OldMonths, client: Client, pid: number) {
    this.#trail = trail
    this.#client = client
    this.#pid = pid
  }

  static async at(trail: OldMonths, where: keyof typeof STALLS): Promise<Stall> {
    const client = new Client({ connectionString: trail.ownerUrl, application_name: 'the drill' })
    client.on('error', () => {})
    await client.connect()
    await client.query('begin')
    await client.query(STALLS[where])
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return new Stall(trail, client, rows[0]?.pid ?? 0)
  }

  /** Resolves when a session of that name waits for it. */
  async caught(applicationName: string, why: () => string | undefined): Promise<void> {
    await waitUntil(`${applicationName} waits`, async () => {
      const failed = why()
      if (failed !== undefined) throw new Error(failed)
      // By another session: within a transaction the server says of its sessions what it said first.
      return this.#trail.owner(async (client) => {
        const { rowCount } = await client.query(
          'select from pg_stat_activity where application_name = $1 and $2 = any (pg_blocking_pids(pid))',
          [applicationName, this.#pid],
        )
        return (rowCount ?? 0) > 0
      })
    })
  }

  async release(): Promise<void> {
    await this.#client.query('rollback').catch(() => {})
    await this.#client.end().catch(() => {})
  }
}

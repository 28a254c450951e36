import type { ClientBase } from 'pg'
import { performance, setTimeout } from '../host/globals.js'
import { quoteIdentifier, quotedSchema } from '../postgres/schema-name.js'

/** Who uses the trail. What this login may not see of others is null. */
interface Holder {
  readonly transaction: string
  readonly pid: string
  readonly login: string | null
  readonly application: string | null
  readonly seconds: number | null
}

const POLL_MS = 200

/**
 * Waits for transactions that use the trail, or, with `everywhere`, that have a snapshot of the database: a detachment waits for
 * all that began before it, and meanwhile new snapshots miss the rows. Those that begin now are not waited for.
 *
 * @param patienceMs how long
 * @returns who is in the way still, in words
 */
export async function inTheWay(
  ask: <T>(work: (client: ClientBase) => Promise<T>) => Promise<T>,
  schema: string,
  partition: string,
  patienceMs: number,
  everywhere: boolean,
): Promise<string | undefined> {
  const giveUpAt = performance.now() + patienceMs
  const look = (): Promise<readonly Holder[]> =>
    ask((client) => holders(client, schema, partition, everywhere))
  let left = await look()
  while (left.length > 0 && performance.now() < giveUpAt) {
    await new Promise<void>((resolve) => setTimeout(() => resolve(), Math.min(POLL_MS, patienceMs)))
    const now = await look()
    const first = new Set(left.map(({ transaction }) => transaction))
    left = now.filter(({ transaction }) => first.has(transaction))
  }
  return left.length === 0 ? undefined : left.map(inWords).join('; ')
}

async function holders(
  client: ClientBase,
  schema: string,
  partition: string,
  everywhere: boolean,
): Promise<readonly Holder[]> {
  const { rows } = await client.query<Holder>(
    `select l.virtualtransaction as transaction, l.pid::text as pid, a.usename as login,
       nullif(a.application_name, '') as application,
       extract(epoch from clock_timestamp() - a.xact_start)::int as seconds
     from (
       select virtualtransaction, pid from pg_locks
       where locktype = 'relation' and granted and relation in (to_regclass($1), to_regclass($2))
         and database = (select oid from pg_database where datname = current_database())
       union
       select lock.virtualtransaction, lock.pid from pg_locks lock join pg_stat_activity held on held.pid = lock.pid
       where $3::boolean and lock.locktype = 'virtualxid' and lock.granted and held.backend_xmin is not null
         and held.datname = current_database()
     ) l left join pg_stat_activity a on a.pid = l.pid
     where l.pid <> pg_backend_pid()
     order by l.pid`,
    [
      `${quotedSchema(schema)}.secret_audit`,
      `${quotedSchema(schema)}.${quoteIdentifier(partition)}`,
      everywhere,
    ],
  )
  return rows
}

function inWords({ pid, login, application, seconds }: Holder): string {
  const who = [application ?? 'unnamed', ...(login === null ? [] : [`as ${login}`])].join(' ')
  return `pid ${pid} (${who}${seconds === null ? '' : `, in a transaction for ${seconds} s`})`
}

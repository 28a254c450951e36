import { setTimeout as sleep } from 'node:timers/promises'
import type { Stage } from './stage.js'

/** A row of an event of the writers. */
export interface StoredRow {
  readonly n: number
  readonly auditId: string
  readonly outcome: string
}

/** What is in the table, read without the library. */
export interface Trail {
  readonly rows: readonly StoredRow[]
  /** The audit ids that `withheld` rows name. */
  readonly withheld: readonly string[]
}

interface Row extends Record<string, unknown> {
  readonly n: string | null
  readonly audit_id: string
  readonly outcome: string
  readonly withheld: string | null
}

const ROWS = `
  select execution_id::text as n, audit_id::text, outcome, attributes::json->>'withheld' as withheld
  from noetl.secret_audit where credential <> 'secret_audit'`
const SESSIONS = `
  select pid from pg_stat_activity
  where application_name like 'otel-audit%' and backend_type = 'client backend'`

/** After everything has been written: a session whose writer is dead may still commit, so they have to end first. */
export async function readTrail(stage: Stage): Promise<Trail> {
  while ((await stage.query(SESSIONS)).rows.length > 0) await sleep(20)
  const { rows } = await stage.query<Row>(ROWS)
  return {
    rows: rows
      .filter(({ withheld }) => withheld === null)
      .map(({ n, audit_id, outcome }) => ({ n: Number(n), auditId: audit_id, outcome })),
    withheld: rows.flatMap(({ withheld }) => withheld ?? []),
  }
}

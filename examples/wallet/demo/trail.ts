import { Client } from 'pg'

/** A row of the trail with every column: ids as strings, times as ISO 8601 in UTC with their microseconds. */
export type TrailRow = Readonly<Record<string, unknown>> & {
  readonly audit_id: string
  readonly occurred_at: string
  readonly credential: string
  readonly operation: string
  readonly outcome: string
  readonly execution_id: string | null
  readonly server_region: string | null
  readonly service_name: string | null
  readonly trace_id: string | null
  readonly span_id: string | null
}

/** By the fixed object ids of `pg_type`. Any other type stays the text that Postgres sends. */
const parsers = new Map<number, (text: string) => unknown>([
  [17, (bytea) => bytea.slice(2)], // \x and then hex digits
  [23, Number], // int4; an int8 does not fit a JavaScript number
  [114, (json) => JSON.parse(json)],
  [1184, isoTime], // a Date would lose the microseconds
])

/** What the services with these instance ids have recorded, in the order of the audit ids. */
export async function readTrail(url: string, instances: readonly string[]): Promise<TrailRow[]> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    options: '-c TimeZone=UTC -c DateStyle=ISO',
    types: { getTypeParser: (oid: number) => parsers.get(oid) ?? String },
  })
  client.on('error', () => {}) // The pending query tells it too.
  await client.connect()
  try {
    const { rows } = await client.query<TrailRow>(
      'select * from noetl.secret_audit where service_instance_id = any($1) order by audit_id',
      [instances],
    )
    return rows
  } finally {
    await client.end()
  }
}

/** The rows of one execution. */
export function ofExecution(rows: readonly TrailRow[], executionId: bigint): TrailRow[] {
  return rows.filter((row) => row.execution_id === executionId.toString())
}

/** Postgres leaves out zeros at the end. */
function isoTime(timestamptz: string): string {
  const [, date, time, fraction = ''] = /^(\S+) (\d\d:\d\d:\d\d)(?:\.(\d+))?\+00$/.exec(timestamptz) ?? []
  return `${date}T${time}.${fraction.padEnd(6, '0')}Z`
}

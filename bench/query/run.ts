import { Client } from 'pg'
import { type Page, Trail } from 'otel-audit/query'
import { SeededRandom } from '../../soak/random.js'
import { type PostgresServer, startPostgres } from '../../test/support/postgres/server.js'
import { migrate } from '../databases.js'
import { fill, type Span } from './fill.js'
import { type Kind, kindsOf } from './kinds.js'
import type { QueryBenchOptions } from './options.js'
import { Explainer, type Plan } from './plans.js'

/** One query, measured and then explained. */
export interface Sample {
  readonly ms: number
  readonly rows: number
  readonly plan: Plan
}

export interface QueryBench {
  /** Version of the server. */
  readonly server: string
  readonly rows: number
  readonly fillSeconds: number
  /** Of the table with its indexes. */
  readonly bytes: number
  readonly partitions: number
  readonly samples: ReadonlyMap<string, readonly Sample[]>
}

type Progress = (what: string) => void

const DATABASE = 'bench_query'

/** Fills a trail and reads it. Everything it starts has ended when it returns or throws. */
export async function runQueryBench(options: QueryBenchOptions, progress: Progress): Promise<QueryBench> {
  const server = await startPostgres()
  try {
    await server.query(`create database ${DATABASE}`)
    await migrate(server.url(DATABASE))
    await server.query('create role bench_reader login in role noetl_audit_reader')
    const began = performance.now()
    const span = await connected(server.url(DATABASE), (client) => fill(client, options, progress))
    const fillSeconds = (performance.now() - began) / 1000
    const trail = await stateOf(server)
    if (trail.rows !== options.rows)
      throw new Error(`the table has ${trail.rows} rows, and ${options.rows} were written`)
    const samples = await readAll(server.url(DATABASE, 'bench_reader'), options, span, progress)
    return { ...trail, fillSeconds, samples }
  } finally {
    await server.close()
  }
}

/** Kind after kind in turn, so that none has the machine's quiet minute for itself. Each first query does not count. */
async function readAll(
  databaseUrl: string,
  { rows, queries, seed }: QueryBenchOptions,
  span: Span,
  progress: Progress,
): Promise<Map<string, Sample[]>> {
  const kinds = kindsOf(rows, span)
  const random = new SeededRandom(seed)
  const samples = new Map<string, Sample[]>(kinds.map(({ name }) => [name, []]))
  const trail = new Trail({ databaseUrl })
  try {
    for (const kind of kinds) await measured(trail, kind, random)
    await connected(databaseUrl, async (client) => {
      const explainer = await Explainer.over(client)
      for (let done = 0; done < queries; done++) {
        if (done % 20 === 0) progress(`${done} of ${queries} queries of each kind are done`)
        for (const kind of kinds) {
          const { ms, page, again } = await measured(trail, kind, random)
          const plan = await explainer.explain(again)
          samples.get(kind.name)?.push({ ms, rows: page.rows.length, plan })
        }
      }
    })
    return samples
  } finally {
    await trail.close()
  }
}

/** @returns also how to read the same page once more */
async function measured(
  trail: Trail,
  { filter, depth }: Kind,
  random: SeededRandom,
): Promise<{ ms: number; page: Page; again: () => Promise<Page> }> {
  const asked = filter(random)
  let cursor: string | undefined
  for (let before = 0; before < depth; before++) {
    const page = await trail.search({ ...asked, cursor })
    if (page.next_cursor === null) throw new Error(`there is no page after ${before + 1} pages`)
    cursor = page.next_cursor
  }
  const again = (): Promise<Page> => trail.search({ ...asked, cursor })
  const began = performance.now()
  const page = await again()
  return { ms: performance.now() - began, page, again }
}

async function stateOf(
  server: PostgresServer,
): Promise<Pick<QueryBench, 'server' | 'rows' | 'bytes' | 'partitions'>> {
  const { rows } = await server.query<Record<'version' | 'rows' | 'bytes' | 'partitions', string>>(
    `select current_setting('server_version') as version, (select count(*) from noetl.secret_audit) as rows,
       (select sum(pg_total_relation_size(relid)) from pg_partition_tree('noetl.secret_audit')) as bytes,
       (select count(*) from noetl.secret_audit_partitions()) as partitions`,
    [],
    DATABASE,
  )
  const [state] = rows
  return {
    server: `Postgres ${state?.version}`,
    rows: Number(state?.rows),
    bytes: Number(state?.bytes),
    partitions: Number(state?.partitions),
  }
}

async function connected<T>(databaseUrl: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: databaseUrl })
  client.on('error', () => {}) // The pending query tells it too.
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

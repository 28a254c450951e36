import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import { type PostgresServer, startPostgres } from '../../test/support/postgres/server.js'
import { migrate } from '../databases.js'
import type { Answer, Order } from './protocol.js'

export interface FloodOptions {
  readonly events: number
  /** Events a second, at most. */
  readonly rate: number
  readonly spool: boolean
}

/** What became of a flood. */
export interface Flood {
  readonly idle: Answer
  readonly recorded: Answer
  readonly settled: Answer
  /** Events of the service that are in the table, each counted once, and how many rows of it there are. */
  readonly stored: number
  readonly rows: number
  /** Losses that gap rows count. */
  readonly gapCount: number
}

const SERVICE_NAME = 'flooded'

/**
 * Floods a service while its Postgres is stopped, starts Postgres again, and waits until all is settled. Everything it
 * starts has ended when it returns or throws.
 */
export async function runFlood(options: FloodOptions, progress: (what: string) => void): Promise<Flood> {
  const server = await startPostgres()
  const directory = await mkdtemp(join(tmpdir(), 'flood-spool-'))
  let service: ChildProcess | undefined
  try {
    await server.query('create database flood')
    await migrate(server.url('flood'))
    await server.query(`create role flood_writer login in role noetl_audit_writer`)
    service = startService([server.url('flood', 'flood_writer'), ...(options.spool ? [directory] : [])])
    const idle = await nextAnswer(service)
    const before = await countRows(server)
    progress('Postgres is stopped')
    await server.stop()
    const { events, rate } = options
    const recorded = await told(service, { what: 'record', events, rate })
    progress(`${events} events are recorded; Postgres starts again`)
    await server.start()
    const settled = await told(service, { what: 'settle' })
    const after = await countRows(server)
    return {
      idle,
      recorded,
      settled,
      stored: after.stored - before.stored,
      rows: after.rows - before.rows,
      gapCount: after.gapCount,
    }
  } finally {
    service?.kill('SIGKILL')
    await server.close()
    await rm(directory, { recursive: true, force: true })
  }
}

function startService(args: readonly string[]): ChildProcess {
  const script = join(packageRoot(), 'build', 'bench', 'flood', 'service.js')
  const env = { ...process.env, OTEL_SERVICE_NAME: SERVICE_NAME }
  return fork(script, args, { env, execArgv: [] })
}

async function told(service: ChildProcess, order: Order): Promise<Answer> {
  const answer = nextAnswer(service)
  service.send(order)
  return answer
}

async function nextAnswer(service: ChildProcess): Promise<Answer> {
  const ended = once(service, 'exit').then(([code]) => {
    throw new Error(`the flooded service ended (${String(code)})`)
  })
  ended.catch(() => {})
  const [answer] = (await Promise.race([once(service, 'message'), ended])) as [Answer]
  return answer
}

type Counts = Pick<Flood, 'stored' | 'rows' | 'gapCount'>

async function countRows(server: PostgresServer): Promise<Counts> {
  const { rows } = await server.query<{ stored: string; rows: string; gap: string }>(
    `select count(distinct coalesce(original_audit_id, audit_id)) filter (where operation = 'get_credential') as stored,
       count(*) filter (where operation = 'get_credential') as rows,
       coalesce(sum((attributes->>'count')::bigint) filter (where operation = 'audit_gap'), 0) as gap
     from noetl.secret_audit where service_name = $1`,
    [SERVICE_NAME],
    'flood',
  )
  const [counts] = rows
  return { stored: Number(counts?.stored), rows: Number(counts?.rows), gapCount: Number(counts?.gap) }
}

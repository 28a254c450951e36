import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { createAudit } from 'otel-audit'
import { Client } from 'pg'
import { type PostgresServer, startPostgres } from '../test/support/postgres/server.js'
import { access } from './access.js'
import { AwaySink } from './away-sink.js'
import { migrate } from './databases.js'
import { fill } from './query/fill.js'

export interface DrainResult {
  /** Events that were in the spool when the database came back. */
  readonly rows: number
  /** Rows that the table had before. */
  readonly table: number
  /** Rows a second, from the first batch that is stored to the last. */
  readonly drained: number
  /** The same rows, copied into the same table by one COPY in binary, from a file of the server's. */
  readonly copied: number
  /** Of what the spool had on disk. */
  readonly missing: number
}

const [DRAINED, COPIED, WRITER] = ['bench_drain', 'bench_copy', 'bench_drain_writer']

/** Half of the queue's default bound: nothing is ever dropped. */
const MOST_PENDING = 8192
const RECORDS_A_TURN = 64
const SEED = 1

const COLUMNS = `audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
  server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address, service_name,
  service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest, chain_id, block_no, block_index`
/** Not those that the table was filled with, which have no blocks. */
const RECORDED = `from noetl.secret_audit where operation = 'get_credential'
  and chain_id in (select chain_id from noetl.secret_audit_block)`

/** Drains a spool into a table of so many rows, beside a COPY of the same rows into the same table. */
export async function measureDrain(
  { rows, table }: { readonly rows: number; readonly table: number },
  progress: (what: string) => void,
): Promise<DrainResult> {
  const server = await startPostgres()
  const spoolDirectory = await mkdtemp(join(tmpdir(), 'bench-drain-'))
  try {
    await server.query(`create database ${DRAINED}`)
    await migrate(server.url(DRAINED))
    await server.query(`create role ${WRITER} login in role noetl_audit_writer`)
    if (table > 0) await fillTable(server.url(DRAINED), table, progress)
    await server.query(`create database ${COPIED} template ${DRAINED}`)
    progress(`${rows} events into the spool`)
    await spool(spoolDirectory, rows)
    progress('draining')
    const drained = await drain(server.url(DRAINED, WRITER), spoolDirectory, rows)
    const found = await recorded(server)
    progress('COPY')
    const copied = found / (await copySeconds(server))
    return { rows, table, drained, copied, missing: rows - found }
  } finally {
    await server.close()
    await rm(spoolDirectory, { recursive: true, force: true })
  }
}

async function fillTable(databaseUrl: string, rows: number, progress: (what: string) => void): Promise<void> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  await fill(client, { rows, seed: SEED }, progress)
  await client.end()
}

async function spool(spoolDirectory: string, rows: number): Promise<void> {
  const audit = createAudit({
    sink: new AwaySink(),
    spoolDirectory,
    spoolMode: 'always',
    spoolBytes: 2 ** 36,
  })
  await audit.start()
  const before = audit.stats().emitted
  for (let n = 0; n < rows; await turn()) {
    if (audit.stats().pending >= MOST_PENDING) continue
    for (const end = Math.min(rows, n + RECORDS_A_TURN); n < end; n++) {
      audit.service.recordAsync(access(n).fields)
    }
  }
  // One stays in memory too, to find out when the database is back.
  while (audit.stats().spoolOut < before + rows - 1) await turn()
  await audit.close({ timeoutMs: 0 })
}

/** @returns rows a second */
async function drain(databaseUrl: string, spoolDirectory: string, rows: number): Promise<number> {
  const audit = createAudit({ databaseUrl, spoolDirectory, spoolBytes: 2 ** 36, closeTimeoutMs: 60_000 })
  const started = audit.start()
  await until(() => audit.stats().written > 0)
  const [began, first] = [performance.now(), audit.stats().written]
  await until(() => audit.stats().spoolIn >= rows && audit.stats().pending === 0)
  const rate = (audit.stats().written - first) / ((performance.now() - began) / 1000)
  await started
  // Rows about the life of the pipelines were among those: the last few may still be on disk.
  await audit.flush()
  await audit.close()
  return rate
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(2)
}

async function recorded(server: PostgresServer): Promise<number> {
  const { rows } = await server.query<{ found: number }>(
    `select count(*)::int as found ${RECORDED}`,
    [],
    DRAINED,
  )
  return rows[0]?.found ?? 0
}

async function copySeconds(server: PostgresServer): Promise<number> {
  const file = join(server.dataDirectory, 'bench-copy.bin')
  await server.query(`copy (select ${COLUMNS} ${RECORDED}) to '${file}' (format binary)`, [], DRAINED)
  const client = new Client({ connectionString: server.url(COPIED) })
  await client.connect()
  try {
    await client.query('checkpoint')
    const began = performance.now()
    await client.query(`copy noetl.secret_audit (${COLUMNS}) from '${file}' (format binary)`)
    return (performance.now() - began) / 1000
  } finally {
    await client.end()
  }
}

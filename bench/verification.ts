import { PostgresAuditSink, SnowflakeGenerator, buildEvent } from 'otel-audit'
import { Anchors } from '../src/verify/anchors.js'
import { NO_TRUST } from '../src/verify/trust.js'
import { verify } from '../src/verify/verify.js'
import { eventDigest } from '../src/event/digest.js'
import { Snapshot } from '../src/postgres/read/snapshot.js'
import { access } from './access.js'
import { startPostgres } from '../test/support/postgres/server.js'
import { migrate } from './databases.js'

/** Rows of one batch, which are one block. */
const BLOCK_ROWS = 64

export interface VerifyResult {
  readonly rows: number
  /** Rows that are verified in a second of processor time, on all threads of the process together. */
  readonly verified: number
  /** The same rows, only read. */
  readonly read: number
  /** Most resident memory while verifying, in MiB. */
  readonly resident_mib: number
  /** Findings, of which an honest trail has none. */
  readonly findings: number
}

/** What `otel-audit verify` does to a trail of so many rows in blocks of 64, beside reading the same rows. */
export async function measureVerify(rows: number, progress: (what: string) => void): Promise<VerifyResult> {
  const server = await startPostgres()
  try {
    await server.query('create database bench_verify')
    const databaseUrl = server.url('bench_verify')
    await migrate(databaseUrl)
    await fill(databaseUrl, rows, progress)
    progress('reading')
    const read = await rate(() => withReader(databaseUrl, readAll))
    progress('verifying')
    let resident = 0
    const watch = setInterval(() => {
      resident = Math.max(resident, process.memoryUsage.rss())
    }, 100)
    let findings = 0
    const verified = await rate(() =>
      withReader(databaseUrl, async (reader) => {
        const report = await verify(reader, {
          trust: NO_TRUST,
          anchors: new Anchors(),
          selection: { chain: undefined, ids: undefined },
          onFinding: () => findings++,
        })
        return report.rows.proven
      }),
    )
    clearInterval(watch)
    return { rows, verified, read, resident_mib: resident / 1024 / 1024, findings }
  } finally {
    await server.close()
  }
}

async function fill(databaseUrl: string, rows: number, progress: (what: string) => void): Promise<void> {
  const sink = new PostgresAuditSink({ databaseUrl })
  const ids = new SnowflakeGenerator(0)
  for (let done = 0; done < rows; done += BLOCK_ROWS) {
    if (done % (BLOCK_ROWS * 1000) === 0) progress(`${done} of ${rows} rows written`)
    const now = Date.now()
    const entries = Array.from({ length: Math.min(BLOCK_ROWS, rows - done) }, (_, i) => {
      const event = buildEvent(access(done + i).fields, { auditId: ids.next(now), occurredAt: now * 1000 })
      return { event, digest: eventDigest(event) }
    })
    const result = await sink.write({ entries })
    if (result.status !== 'committed') throw new Error(`a batch was not committed: ${result.status}`)
  }
  await sink.close()
}

async function withReader(databaseUrl: string, work: (reader: Snapshot) => Promise<number>): Promise<number> {
  const reader = await Snapshot.open({ databaseUrl, schema: 'noetl' })
  try {
    return await work(reader)
  } finally {
    await reader.close()
  }
}

async function readAll(reader: Snapshot): Promise<number> {
  let count = 0
  const all = { first: 0n, last: 2n ** 63n - 1n }
  for await (const batch of reader.rows(all, { chain: undefined, ids: undefined })) count += batch.length
  return count
}

/** @returns rows a second of processor time */
async function rate(work: () => Promise<number>): Promise<number> {
  const before = process.cpuUsage()
  const rows = await work()
  const { user, system } = process.cpuUsage(before)
  return rows / ((user + system) / 1e6)
}

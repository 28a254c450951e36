import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { DurableAuditExporter, type DurableAuditExporterOptions } from '../../src/exporter/exporter.js'
import { PostgresAuditSink, type PostgresAuditSinkOptions } from '../../src/postgres/write/sink.js'
import { connect } from './database.js'
import { Ledger } from './ledger.js'
import { readTrail } from './trail.js'
import { verifiedTrail } from './verified.js'
import { WatchedSink } from './watched-sink.js'

export interface TestPipeline {
  readonly exporter: DurableAuditExporter
  readonly ledger: Ledger
  readonly watched: WatchedSink
  /** The name of its sessions. */
  readonly applicationName: string
  /** Stores what waits, holds everything that was said against the trail, and verifies its blocks. */
  finish(trailUrl?: string): Promise<void>
}

/** An exporter over a real Postgres, put together as `createAudit` does it, and watched on all sides. */
export function openPipeline(
  databaseUrl: string,
  options: Partial<PostgresAuditSinkOptions & DurableAuditExporterOptions> = {},
): TestPipeline {
  const applicationName = `otel-audit ${randomBytes(4).toString('hex')}`
  const sink = new PostgresAuditSink({ applicationName, ...options, databaseUrl })
  const watched = new WatchedSink(sink)
  const exporter = new DurableAuditExporter({ lingerMs: 1, ...options, sink: watched })
  const ledger = new Ledger(exporter)
  return {
    exporter,
    ledger,
    watched,
    applicationName,
    async finish(trailUrl = databaseUrl) {
      await exporter.close(60_000)
      expect(exporter.stats().pending).toBe(0)
      const trail = await readTrail(trailUrl)
      ledger.check(trail)
      expect(watched.breaches).toEqual([])
      const { found, rows } = await verifiedTrail(trailUrl)
      expect(found).toEqual([])
      expect(rows.proven).toBe(trail.filter(({ digest }) => digest !== null).length)
    },
  }
}

/** A login that has the writer role, and nothing else. */
export async function writerLogin(
  databaseUrl: string,
): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const name = `otel_audit_test_${randomBytes(6).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  const run = async (sql: string): Promise<void> => {
    const owner = await connect(databaseUrl)
    try {
      await owner.query(sql)
    } finally {
      await owner.end()
    }
  }
  await run(`create role ${name} login password '${password}' in role noetl_audit_writer`)
  const url = new URL(databaseUrl)
  url.username = name
  url.password = password
  return { url: url.href, drop: () => run(`drop owned by ${name}; drop role ${name}`) }
}

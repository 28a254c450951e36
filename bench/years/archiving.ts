import { join } from 'node:path'
import { CpuClock } from '../cpu.js'
import { type CommandContext, otelAudit, succeeded } from './command.js'
import { connected } from './connected.js'

/** A month that is over. */
export interface OldMonth {
  readonly partition: string
  readonly rows: number
  /** The first day after it, as `--before` takes it. */
  readonly before: string
}

interface Throughput {
  /** Rows a second. */
  readonly rps: number
  /** Rows a second of processor time, of command and server together. Linux only, else undefined. */
  readonly per_cpu_second: number | undefined
}

export interface ArchiveResult {
  readonly rows: number
  readonly archive: Throughput
  readonly resident_mib: number
  /** COPY of the same partition to a client that drops it; the faster one of before and after. */
  readonly copy: Throughput
}

/** The oldest month that has rows. */
export async function oldestMonth({ server, database }: CommandContext): Promise<OldMonth> {
  return await connected(server.url(database), async (client) => {
    const { rows: partitions } = await client.query<{ partition: string; before: string }>(
      `select partition, to_char(noetl.secret_audit_id_month(to_id), 'YYYY-MM-DD') as before
       from noetl.secret_audit_partitions() where to_id is not null order by to_id limit 1`,
    )
    const [oldest] = partitions
    if (oldest === undefined) throw new Error('the trail has no partitions')
    const { rows } = await client.query<{ rows: string }>(
      `select count(*) as rows from noetl.${oldest.partition}`,
    )
    return { ...oldest, rows: Number(rows[0]?.rows) }
  })
}

/** Archives one month by `otel-audit archive`: writes it, reads it back and proves it, in one process. */
export async function measureArchive(
  context: CommandContext,
  place: string,
  progress: (what: string) => void,
): Promise<ArchiveResult> {
  const month = await oldestMonth(context)
  progress(`COPY of ${month.rows} rows`)
  const before = await copyOf(context, month)
  progress(`archiving them`)
  const run = await archiveMonth(context, month, place)
  const after = await copyOf(context, month)
  const cpu = run.postgresSeconds && run.postgresSeconds + run.cpuSeconds
  return {
    rows: month.rows,
    archive: { rps: month.rows / run.seconds, per_cpu_second: cpu && month.rows / cpu },
    resident_mib: run.residentMib,
    copy: before.rps > after.rps ? before : after,
  }
}

export async function archiveMonth(context: CommandContext, { before }: OldMonth, place: string) {
  const args = ['archive', '--before', before, '--to', place, '--trust', context.keys.trustFile]
  return succeeded(await otelAudit(context, args), 'archive')
}

export function placeOf(directory: string, { database }: CommandContext): string {
  return join(directory, `archive-${database}`)
}

async function copyOf({ server, database }: CommandContext, month: OldMonth): Promise<Throughput> {
  return await connected(server.url(database), async (client) => {
    const used = new CpuClock(server.pid).start()
    const began = performance.now()
    // What node-postgres does with data of a COPY that nobody takes: nothing.
    await client.query(`copy noetl.${month.partition} to stdout`)
    const seconds = (performance.now() - began) / 1000
    const { node, postgres } = used()
    return {
      rps: month.rows / seconds,
      per_cpu_second: postgres && month.rows / ((postgres + node) / 1e6),
    }
  })
}

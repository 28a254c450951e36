import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import { type ArchiveResult, measureArchive, placeOf } from './archiving.js'
import type { CommandContext } from './command.js'
import { connected } from './connected.js'
import { type HitchResult, measureHitches } from './hitches.js'
import { compareInserting, type InsertResult, InsertSide, recordDay } from './inserting.js'
import { type Keys, keysIn } from './keys.js'
import type { YearsOptions, YearsPart } from './options.js'
import { type KindSpeed, measureReading } from './reading.js'
import { openServer, READER, WRITER } from './server.js'
import { emptyTrail, type FilledTrail, trailWith } from './trails.js'
import { measureVerify, type WatchResult } from './verifying.js'

/** What became of one trail. What was not measured is undefined. */
export interface Growth {
  /** That it was filled with. */
  readonly rows: number
  readonly fillSeconds: number
  /** Of its tables with their indexes. */
  readonly bytes: number
  readonly partitions: number
  readonly reading: readonly KindSpeed[] | undefined
  readonly insert: InsertResult | undefined
  readonly archive: ArchiveResult | undefined
  readonly hitches: HitchResult | undefined
  readonly verify: WatchResult | undefined
}

export interface YearsBench {
  /** Version of the server. */
  readonly server: string
  readonly trails: readonly Growth[]
}

type Progress = (what: string) => void

const FRESH = 'years_fresh'

/** Everything that it starts has ended when it returns or throws, and what is not kept is removed. */
export async function runYearsBench(options: YearsOptions, progress: Progress): Promise<YearsBench> {
  const { keep } = options
  const directory = keep === undefined ? await mkdtemp(join(tmpdir(), 'bench-years-')) : resolve(keep)
  await mkdir(directory, { recursive: true })
  const server = await openServer(keep === undefined ? undefined : directory)
  try {
    const keys = await keysIn(directory)
    const { rows: versions } = await server.query<{ version: string }>(
      `select current_setting('server_version') as version`,
    )
    const trails: Growth[] = []
    for (const rows of options.rows) {
      const about: Progress = (what) => progress(`${rows} rows: ${what}`)
      const filled = await trailWith(server, { ...options, rows }, keys, about)
      trails.push(await grown(options, { server, keys, database: filled.database }, filled, directory, about))
    }
    return { server: `Postgres ${versions[0]?.version}`, trails }
  } finally {
    await server.close()
    if (keep === undefined) await rm(directory, { recursive: true, force: true })
  }
}

async function grown(
  options: YearsOptions,
  context: CommandContext,
  filled: FilledTrail,
  directory: string,
  progress: Progress,
): Promise<Growth> {
  const { server, database } = context
  const { rows, fillSeconds } = filled
  const measured = <T>(part: YearsPart, work: () => Promise<T>): Promise<T | undefined> =>
    options.parts.includes(part) ? work() : Promise.resolve(undefined)
  const size = await sizeOf(server, database)
  const reading = await measured('queries', () =>
    measureReading(server.url(database, READER), filled, { ...options, postmaster: server.pid }, progress),
  )
  const insert = await measured('insert', () => measureInsert(options, context, filled, progress))
  const place = placeOf(directory, context)
  const archive = await measured('archive', () => measureArchive(context, place, progress))
  const hitches = await measured('months', () =>
    withSide(context, filled, database, (side) =>
      measureHitches(context, side, { place, seconds: options.seconds }, progress),
    ),
  )
  const verify = await measured('verify', () => {
    const day = () => withSide(context, filled, database, (side) => recordDay(side, filled))
    return measureVerify(context, directory, day, progress)
  })
  return { rows, fillSeconds, ...size, reading, insert, archive, hitches, verify }
}

async function measureInsert(
  { rounds, seconds }: YearsOptions,
  context: CommandContext,
  filled: FilledTrail,
  progress: Progress,
): Promise<InsertResult> {
  const { server, database } = context
  await emptyTrail(server, FRESH)
  await server.query('checkpoint')
  const extent = { postmaster: server.pid, rounds, seconds }
  return await withSide(context, filled, database, (full) =>
    withSide(context, filled, FRESH, (fresh) => compareInserting({ full, fresh }, extent, progress)),
  )
}

async function withSide<T>(
  { server, keys }: { readonly server: PostgresServer; readonly keys: Keys },
  filled: FilledTrail,
  database: string,
  work: (side: InsertSide) => Promise<T>,
): Promise<T> {
  const urls = { writer: server.url(database, WRITER), owner: server.url(database) }
  const side = await InsertSide.open(urls, keys, filled, filled.seed)
  try {
    return await work(side)
  } finally {
    await side.close()
  }
}

async function sizeOf(
  server: PostgresServer,
  database: string,
): Promise<{ readonly bytes: number; readonly partitions: number }> {
  return await connected(server.url(database), async (client) => {
    const { rows } = await client.query<{ bytes: string; partitions: number }>(
      `select pg_total_relation_size('noetl.secret_audit_block')
         + (select sum(pg_total_relation_size(relid)) from pg_partition_tree('noetl.secret_audit')) as bytes,
         (select count(*)::int from noetl.secret_audit_partitions()) as partitions`,
    )
    return { bytes: Number(rows[0]?.bytes), partitions: rows[0]?.partitions ?? 0 }
  })
}

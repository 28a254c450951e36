import { availableParallelism, loadavg } from 'node:os'
import { isMet } from '../goals.js'
import { table } from '../table.js'
import { yearsGoals } from './goals.js'
import type { YearsOptions } from './options.js'
import type { Growth, YearsBench } from './run.js'

export function yearsReport({ months, credentials, seed }: YearsOptions, { server, trails }: YearsBench) {
  const missing = missingOf(trails)
  const document = {
    months,
    credentials,
    seed,
    acked_missing: missing,
    trails: trails.map((growth) => ({
      ...growth,
      goals: yearsGoals(growth).map((goal) => ({ ...goal, met: isMet(goal) })),
    })),
  }
  const text = [
    `${server}, fsync on, 1 GB of shared buffers; Node ${process.versions.node}; ${availableParallelism()} cores, ` +
      `load ${(loadavg()[0] ?? 0).toFixed(1)}; ${months} months, ${credentials} credentials, seed ${seed}`,
    '',
    ...growthTable(trails),
    '',
    ...goalTable(trails),
    '',
    `acknowledged events that are not in the table: ${missing}`,
  ].join('\n')
  const json = JSON.stringify(document, (_key, value: unknown) =>
    typeof value === 'number' ? Number(value.toFixed(4)) : value,
  )
  return { text, json }
}

export function missingOf(trails: readonly Growth[]): number {
  return trails.reduce(
    (sum, { insert, hitches, verify }) =>
      sum + (insert?.missing ?? 0) + (hitches?.missing ?? 0) + (verify?.missing ?? 0),
    0,
  )
}

/** A line of the table of growth: what it is, and its cell for one trail. */
type Line = readonly [what: string, cell: (growth: Growth) => string | undefined]

const LINES: readonly Line[] = [
  ['GiB with indexes', ({ bytes }) => (bytes / 1024 ** 3).toFixed(2)],
  ['partitions', ({ partitions }) => `${partitions}`],
  ['filled in s', ({ fillSeconds }) => fillSeconds.toFixed(0)],
  ['inserted rows/s, 64 callers', ({ insert }) => whole(insert?.full.rps)],
  ['  into a fresh trail', ({ insert }) => whole(insert?.fresh.rps)],
  ['  ratio', ({ insert }) => insert?.ratio.rps.toFixed(2)],
  ['  µs a row of Postgres', ({ insert }) => insert?.full.postgres_us?.toFixed(1)],
  ['  into a fresh trail', ({ insert }) => insert?.fresh.postgres_us?.toFixed(1)],
  ['archived rows/s', ({ archive }) => whole(archive?.archive.rps)],
  ['  COPY', ({ archive }) => whole(archive?.copy.rps)],
  ['  ratio', ({ archive }) => archive && (archive.archive.rps / archive.copy.rps).toFixed(2)],
  ['  rows/s of processor time', ({ archive }) => whole(archive?.archive.per_cpu_second)],
  ['  COPY', ({ archive }) => whole(archive?.copy.per_cpu_second)],
  ['  resident MiB', ({ archive }) => whole(archive?.resident_mib)],
  ['slowest strict call, ms', ({ hitches }) => whole(hitches?.without.max_ms)],
  ['  while months are made', ({ hitches }) => whole(hitches?.made.max_ms)],
  ['  while one is retired', ({ hitches }) => whole(hitches?.retired.max_ms)],
  ['verified rows', ({ verify }) => whole(verify?.whole.rows)],
  ['  s', ({ verify }) => verify?.whole.seconds.toFixed(1)],
  ['  rows/s of processor time', ({ verify }) => whole(verify?.whole.per_cpu_second)],
  ['  resident MiB', ({ verify }) => whole(verify?.whole.resident_mib)],
  ['one more day: rows read', ({ verify }) => whole(verify?.day.rows)],
  ['  of them old ones', ({ verify }) => whole(verify?.day.again)],
  ['  s', ({ verify }) => verify?.day.seconds.toFixed(1)],
  ['  s of processor time', ({ verify }) => verify?.day.cpu_seconds.toFixed(1)],
]

function growthTable(trails: readonly Growth[]): string[] {
  const kinds = trails.flatMap(({ reading = [] }) => reading.map(({ kind }) => kind))
  const reading = [...new Set(kinds)].map(
    (name): Line => [`p95 ms (of processor time), ${name}`, (growth) => readingCell(growth, name)],
  )
  return table([
    ['rows', ...trails.map(({ rows }) => `${rows}`)],
    ...[...LINES, ...reading].map(([what, cell]) => [what, ...trails.map((growth) => cell(growth) ?? '–')]),
  ])
}

function readingCell({ reading = [] }: Growth, name: string): string | undefined {
  const speed = reading.find(({ kind }) => kind === name)
  return speed && `${speed.p95_ms.toFixed(1)} (${speed.cpu_p95_ms?.toFixed(1) ?? '–'})`
}

function goalTable(trails: readonly Growth[]): string[] {
  return table([
    ['goal', 'rows', 'found', 'wanted', ''],
    ...trails.flatMap((growth) =>
      yearsGoals(growth).map((goal) => [
        goal.what,
        `${growth.rows}`,
        goal.value?.toFixed(2) ?? '–',
        `${goal.goal}`,
        isMet(goal) ? 'met' : 'not met',
      ]),
    ),
  ])
}

function whole(value: number | undefined): string | undefined {
  return value?.toFixed(0)
}

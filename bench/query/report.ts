import { availableParallelism } from 'node:os'
import { median, percentile } from '../statistics.js'
import { table } from '../table.js'
import { DAYS } from './fill.js'
import type { QueryBenchOptions } from './options.js'
import { planText, type ReportedPlan, reportedPlans } from './plan-report.js'
import type { QueryBench, Sample } from './run.js'

/** Longest p95 of any kind, in ms. */
const GOAL_P95_MS = 50

interface ReportedKind {
  readonly kind: string
  readonly queries: number
  readonly rows_median: number
  readonly p50_ms: number
  readonly p95_ms: number
  readonly max_ms: number
  readonly goal: { readonly p95_ms: number; readonly met: boolean }
  /** The most frequent first. */
  readonly plans: readonly ReportedPlan[]
}

export function queryReport({ queries, seed }: QueryBenchOptions, bench: QueryBench) {
  const { server, rows, bytes, partitions, fillSeconds, samples } = bench
  const kinds = [...samples].map(([kind, all]) => reportedKind(kind, all))
  const json = { rows, queries, seed, bytes, partitions, fill_seconds: rounded(fillSeconds), kinds }
  const text = [
    `${server}, default settings; Node ${process.versions.node}; ${availableParallelism()} cores`,
    `${rows} rows of ${DAYS} days, ${(bytes / 1024 ** 3).toFixed(2)} GiB with indexes, ${partitions} partitions; ` +
      `filled in ${fillSeconds.toFixed(0)} s; seed ${seed}`,
    '',
    ...kindTable(kinds),
    '',
    `Plans, and in how many of the ${partitions} partitions each looked; small ones have no rows, or a few hundred`,
    ...kinds.flatMap(({ kind, plans }) => [`  ${kind}`, ...plans.map((plan) => `    ${planText(plan)}`)]),
  ].join('\n')
  return { text, json }
}

function reportedKind(kind: string, all: readonly Sample[]): ReportedKind {
  const ms = all.map((sample) => sample.ms)
  const p95 = percentile(ms, 0.95)
  return {
    kind,
    queries: all.length,
    rows_median: median(all.map((sample) => sample.rows)),
    p50_ms: rounded(percentile(ms, 0.5)),
    p95_ms: rounded(p95),
    max_ms: rounded(Math.max(...ms)),
    goal: { p95_ms: GOAL_P95_MS, met: p95 < GOAL_P95_MS },
    plans: reportedPlans(all.map((sample) => sample.plan)),
  }
}

function kindTable(kinds: readonly ReportedKind[]): string[] {
  return table([
    ['kind', 'queries', 'rows', 'p50 ms', 'p95 ms', 'max ms', `p95 < ${GOAL_P95_MS} ms`],
    ...kinds.map(({ kind, queries, rows_median, p50_ms, p95_ms, max_ms, goal }) => [
      kind,
      `${queries}`,
      `${rows_median}`,
      p50_ms.toFixed(2),
      p95_ms.toFixed(2),
      max_ms.toFixed(2),
      goal.met ? 'met' : 'not met',
    ]),
  ])
}

const rounded = (value: number): number => Number(value.toFixed(3))

import type { Plan } from './plans.js'

/** In how many partitions: of the query that looked in fewest, and of the one that looked in most. */
interface Extent {
  readonly least: number
  readonly most: number
}

interface ReportedScan {
  readonly index: string | null
  readonly nodes: readonly string[]
  readonly partitions: Extent
}

/** What queries have in common that found rows by the same indexes. */
export interface ReportedPlan {
  readonly queries: number
  readonly nodes: readonly string[]
  readonly scans: readonly ReportedScan[]
  readonly small_partitions: Extent
}

/** The most frequent first. */
export function reportedPlans(plans: readonly Plan[]): ReportedPlan[] {
  const alike = new Map<string, Plan[]>()
  for (const plan of plans) {
    const indexes = JSON.stringify(plan.scans.map(({ index }) => index))
    alike.set(indexes, [...(alike.get(indexes) ?? []), plan])
  }
  return [...alike.values()].map(reportedPlan).sort((a, b) => b.queries - a.queries)
}

/** @param alike plans with scans of the same indexes, in the same order */
function reportedPlan(alike: readonly Plan[]): ReportedPlan {
  const indexes = alike[0]?.scans.map(({ index }) => index) ?? []
  return {
    queries: alike.length,
    nodes: [...new Set(alike.flatMap(({ nodes }) => nodes))],
    scans: indexes.map((index, i) => ({
      index,
      nodes: [...new Set(alike.flatMap(({ scans }) => scans[i]?.nodes ?? []))],
      partitions: extent(alike.map(({ scans }) => scans[i]?.partitions ?? 0)),
    })),
    small_partitions: extent(alike.map(({ small }) => small)),
  }
}

export function planText({ queries, scans, small_partitions }: ReportedPlan): string {
  const places = scans.map(
    ({ index, nodes, partitions }) =>
      `${nodes.join('/')}${index === null ? '' : ` ${index}`} in ${extentText(partitions)}`,
  )
  if (small_partitions.most > 0) places.push(`${extentText(small_partitions)} small ones`)
  return `${queries} x ${places.join(', ')}`
}

function extent(counts: readonly number[]): Extent {
  return { least: Math.min(...counts), most: Math.max(...counts) }
}

function extentText({ least, most }: Extent): string {
  return least === most ? `${most}` : `${least} to ${most}`
}

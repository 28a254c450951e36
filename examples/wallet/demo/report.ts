import { type Evidence, isReadOfProvider } from './evidence.js'
import { parseExposition, WRITES } from './exposition.js'
import type { Palette } from './palette.js'
import { type Column, tableLines } from './table.js'
import { traceTree } from './trace-tree.js'
import type { TrailRow } from './trail.js'
import type { Finding } from './verify.js'

export interface View {
  /** Characters of a line. */
  readonly width: number
  readonly palette: Palette
}

const text = (value: unknown) => (typeof value === 'string' ? value : '')

export function trailLines(rows: readonly TrailRow[], { width, palette }: View): string[] {
  const outcome = (cell: string, row: TrailRow) => (row.outcome === 'ok' ? palette.good : palette.bad)(cell)
  const columns: Column<TrailRow>[] = [
    { title: 'time (UTC)', rank: 1, text: (row) => row.occurred_at.slice(11, 23), paint: palette.faint },
    { title: 'region', rank: 3, text: (row) => text(row.server_region) },
    { title: 'operation', rank: 0, text: (row) => row.operation },
    { title: 'outcome', rank: 0, text: (row) => row.outcome, paint: outcome },
    { title: 'credential', rank: 0, text: (row) => row.credential },
    { title: 'actor', rank: 6, text: (row) => text(row.actor_id) },
    { title: 'worker', rank: 5, text: (row) => text(row.worker_id) },
    { title: 'broker', rank: 4, text: (row) => text(row.broker_region) },
    { title: 'kek', rank: 7, text: (row) => text(row.kek_version) },
    { title: 'execution', rank: 8, text: (row) => text(row.execution_id) },
    { title: 'trace', rank: 9, text: (row) => text(row.trace_id).slice(0, 8), paint: palette.faint },
  ]
  return tableLines(columns, rows, width)
}

interface Counter {
  readonly service: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The series of the original's counter which are not zero. */
export function counterLines(metrics: Evidence['metrics'], { width, palette }: View): string[] {
  const counters = Object.entries(metrics).flatMap(([service, exposition]) =>
    parseExposition(exposition)
      .filter(({ name, value }) => name === WRITES && value > 0)
      .map(({ labels, value }): Counter => ({ service, labels, value })),
  )
  const columns: Column<Counter>[] = [
    { title: WRITES, rank: 1, text: ({ service }) => service },
    { title: 'operation', rank: 0, text: ({ labels }) => text(labels.operation) },
    { title: 'outcome', rank: 0, text: ({ labels }) => text(labels.outcome) },
    {
      title: 'status',
      rank: 0,
      text: ({ labels }) => text(labels.status),
      paint: (cell, { labels }) => (labels.status === 'written' ? palette.good : palette.bad)(cell),
    },
    { title: 'value', rank: 0, text: ({ value }) => String(value) },
  ]
  return tableLines(columns, counters, width)
}

/** The trace that shows most: a sealed delivery through another region. */
export function traceLines(evidence: Evidence, view: View): string[] {
  const { rows } = evidence
  const shown = rows.find(
    (row) => row.operation === 'get_sealed' && row.outcome === 'ok' && row.broker_region,
  )
  return traceOf(shown ?? rows.find(({ trace_id }) => trace_id !== null), evidence, view)
}

/** A token that is issued: the provider reads it, and has no line about audit. */
export function zeroCodeLines(evidence: Evidence, view: View): string[] {
  return traceOf(evidence.rows.find(isReadOfProvider), evidence, view)
}

function traceOf(row: TrailRow | undefined, { spans }: Evidence, { palette }: View): string[] {
  if (row === undefined) return ['no trace']
  return traceTree(
    spans.filter(({ traceId }) => traceId === row.trace_id),
    palette,
  )
}

export function findingLines(findings: readonly Finding[], { palette }: View): string[] {
  return findings.flatMap(({ claim, faults }) => [
    faults.length === 0 ? `${palette.good('✓')} ${claim}` : `${palette.bad('✗')} ${claim}`,
    ...faults.slice(0, 10).map((fault) => `    ${fault}`),
    ...(faults.length > 10 ? [`    and ${faults.length - 10} more`] : []),
  ])
}

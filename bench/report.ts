import { availableParallelism } from 'node:os'
import { conditionText } from './condition.js'
import type { DrainResult } from './drain.js'
import { acknowledged, type Findings } from './findings.js'
import { type Goal, goals, isMet } from './goals.js'
import type { AsyncResult } from './record-async.js'
import type { SpoolResult } from './spool.js'
import { type Standing, TRACED } from './stand.js'
import { type Comparison, CONCURRENCIES } from './strict.js'
import { table } from './table.js'
import type { VerifyResult } from './verification.js'

export function textReport(findings: Findings): string {
  const { strict, async, spool, verification, drain, spans } = findings
  const { count, missing } = acknowledged(findings)
  const others = [
    async && asyncLine(async),
    spool && spoolLine(spool),
    verification && verifyLine(verification),
    drain && drainLine(drain),
    spans.exported + spans.failed > 0 && `spans exported: ${spans.exported}, failed: ${spans.failed}`,
    `acknowledged events: ${count}, not in the table: ${missing}`,
  ]
  const sections = [
    [
      `${findings.server}; Node ${process.versions.node}; ${availableParallelism()} cores`,
      `${findings.rounds} rounds of ${findings.seconds} s a side; medians, and the median of the rounds' ratios`,
      'main, node, postgres: µs of processor time a row, of the main thread, of all of Node, of all processes of the server',
    ],
    ...strict.map((standing) => [heading(standing), ...comparisonTable(standing)]),
    others.filter((line) => typeof line === 'string'),
    goalTable(goals(findings)),
  ]
  return sections.map((lines) => lines.join('\n')).join('\n\n')
}

function asyncLine({ call_us, span_us, over_span }: AsyncResult): string {
  return `recordAsync: ${call_us.toFixed(1)} µs a call, synchronously; the plain span ${span_us.toFixed(1)} µs; ratio ${over_span.toFixed(2)}`
}

function spoolLine({ ours, raw, ratio }: SpoolResult): string {
  return (
    `recordAsync with the always spool: ${ours.toFixed(0)} events a second on disk; raw lmdb puts of the same bytes, ` +
    `flushed every 64, ${raw.toFixed(0)}; ratio ${ratio.toFixed(2)}`
  )
}

function verifyLine({ verified, read, rows, findings, resident_mib }: VerifyResult): string {
  return (
    `verify: ${verified.toFixed(0)} rows a second of processor time, 64 rows a block; only reading them ` +
    `${read.toFixed(0)}; ${rows} rows, ${findings} findings, ${resident_mib.toFixed(0)} MiB resident`
  )
}

function drainLine({ rows, table, drained, copied }: DrainResult): string {
  return (
    `drain: ${drained.toFixed(0)} rows a second, of ${rows} events in the spool, into a table of ${table} rows; ` +
    `COPY of the same ${copied.toFixed(0)}; ratio ${(drained / copied).toFixed(2)}`
  )
}

function heading({ tracing, condition, measured }: Standing): string {
  return (
    `Strict, ${TRACED[tracing]}; ${conditionText(condition)}: ` +
    `a round trip takes ${measured.roundTripMs.toFixed(2)} ms, a commit ${measured.commitMs.toFixed(2)} ms`
  )
}

const ORIGINAL = '/ original'
const HEAD = ['rows/s', 'p50 ms', 'p99 ms'].flatMap((what) => [what, ORIGINAL, 'ratio'])
const COST_HEAD = ['main', 'node', 'postgres'].flatMap((what) => [what, ORIGINAL])

function comparisonTable({ result: { at } }: Standing): string[] {
  return table([
    ['callers', ...HEAD, ...COST_HEAD],
    ...CONCURRENCIES.map((callers) => [`${callers}`, ...comparisonCells(at[callers])]),
  ])
}

function comparisonCells({ ours, original, ratio }: Comparison): string[] {
  const ms = (value: number): string => value.toFixed(2)
  const us = (value: number | undefined): string => value?.toFixed(1) ?? '–'
  return [
    ours.rps.toFixed(0),
    original.rps.toFixed(0),
    ratio.rps.toFixed(2),
    ms(ours.p50_ms),
    ms(original.p50_ms),
    ratio.p50.toFixed(2),
    ms(ours.p99_ms),
    ms(original.p99_ms),
    ratio.p99.toFixed(2),
    ...[ours.main_us, original.main_us, ours.node_us, original.node_us].map(us),
    ...[ours.postgres_us, original.postgres_us].map(us),
  ]
}

function goalTable(all: readonly Goal[]): string[] {
  return table([
    ['goal', 'found', 'wanted', ''],
    ...all.map((goal) => [
      goal.what,
      goal.value?.toFixed(2) ?? '–',
      `${goal.goal}`,
      isMet(goal) ? 'met' : 'not met',
    ]),
  ])
}

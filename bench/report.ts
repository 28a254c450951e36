import { availableParallelism } from 'node:os'
import type { Findings } from './findings.js'
import { type Goal, goals } from './goals.js'
import type { AsyncResult } from './record-async.js'
import type { SpoolResult } from './spool.js'
import { type Comparison, CONCURRENCIES, type StrictResult } from './strict.js'
import { table } from './table.js'
import type { VerifyResult } from './verification.js'

export function acknowledgedMissing({ strict, untraced }: Findings): number {
  return (strict?.missing ?? 0) + (untraced?.missing ?? 0)
}

export function textReport(findings: Findings): string {
  const { strict, untraced, async, spool, verification, spans } = findings
  const traced = strict && [
    'Strict, with tracing: span, event, metric and row, beside a span and an INSERT; OTLP, all sampled',
    ...comparisonTable(strict),
    `spans exported: ${spans.exported}, failed: ${spans.failed}`,
  ]
  const others = [
    async && asyncLine(async),
    spool && spoolLine(spool),
    verification && verifyLine(verification),
    `acknowledged events: ${acknowledged(findings)}, not in the table: ${acknowledgedMissing(findings)}`,
  ]
  const sections = [
    [
      `${findings.server}; Node ${process.versions.node}; ${availableParallelism()} cores`,
      `${findings.rounds} rounds of ${findings.seconds} s a side; medians, and the median of the rounds' ratios`,
    ],
    traced,
    untraced && ['Strict, without any tracing on either side', ...comparisonTable(untraced)],
    others.filter((line) => line !== undefined),
    goalTable(goals(findings)),
  ]
  return sections
    .filter((lines) => lines !== undefined)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
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

function acknowledged({ strict, untraced }: Findings): number {
  return (strict?.acknowledged ?? 0) + (untraced?.acknowledged ?? 0)
}

/** The document that `--json` prints. */
export function jsonReport(findings: Findings): string {
  const { strict, untraced, async, spool, verification, spans, rounds, seconds } = findings
  return JSON.stringify(
    {
      server: findings.server,
      strict: strict && speeds(strict),
      untraced: untraced && speeds(untraced),
      record_async_over_span: async?.over_span,
      record_async: async,
      spool_over_lmdb: spool?.ratio,
      spool,
      verify: verification,
      acked: acknowledged(findings),
      acked_missing: acknowledgedMissing(findings),
      ratios: { strict: strict && ratios(strict), untraced: untraced && ratios(untraced) },
      goals: goals(findings),
      spans,
      rounds,
      seconds,
    },
    (_key, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(4)) : value),
  )
}

function speeds({ at }: StrictResult): Record<string, unknown> {
  return Object.fromEntries(
    CONCURRENCIES.map((callers) => [callers, { ours: at[callers].ours, original: at[callers].original }]),
  )
}

function ratios({ at }: StrictResult): Record<string, unknown> {
  return Object.fromEntries(CONCURRENCIES.map((callers) => [callers, at[callers].ratio]))
}

const HEAD = [
  'callers',
  'rows/s',
  'original',
  'ratio',
  'p50 ms',
  'original',
  'ratio',
  'p99 ms',
  'original',
  'ratio',
]

function comparisonTable({ at }: StrictResult): string[] {
  return table([HEAD, ...CONCURRENCIES.map((callers) => [`${callers}`, ...comparisonCells(at[callers])])])
}

function comparisonCells({ ours, original, ratio }: Comparison): string[] {
  const perSecond = [ours.rps, original.rps].map((value) => value.toFixed(0))
  const ms = (value: number): string => value.toFixed(2)
  return [
    ...perSecond,
    ratio.rps.toFixed(2),
    ms(ours.p50_ms),
    ms(original.p50_ms),
    ratio.p50.toFixed(2),
    ms(ours.p99_ms),
    ms(original.p99_ms),
    ratio.p99.toFixed(2),
  ]
}

function goalTable(all: readonly Goal[]): string[] {
  const verdict = (met: boolean): string => (met ? 'met' : 'not met')
  return table([
    ['goal', 'found', 'must', '', 'aim', ''],
    ...all.map(({ what, value, must, aim, met }) => [
      what,
      value.toFixed(2),
      `${must}`,
      verdict(met.must),
      `${aim}`,
      verdict(met.aim),
    ]),
  ])
}

import { availableParallelism } from 'node:os'
import { type Goal, goals } from './goals.js'
import type { AsyncResult } from './record-async.js'
import type { SpoolResult } from './spool.js'
import { type Comparison, CONCURRENCIES, type StrictResult } from './strict.js'
import { table } from './table.js'
import type { VerifyResult } from './verification.js'

/** Everything that a run found. */
export interface Findings {
  readonly server: string
  readonly rounds: number
  readonly seconds: number
  readonly strict: StrictResult
  readonly untraced: StrictResult
  readonly async: AsyncResult
  readonly spool: SpoolResult
  readonly verification: VerifyResult
  /** Spans that the receiver of traces acknowledged, and that it did not. */
  readonly spans: { readonly exported: number; readonly failed: number }
}

export function acknowledgedMissing({ strict, untraced }: Findings): number {
  return strict.missing + untraced.missing
}

export function textReport(findings: Findings): string {
  const { strict, untraced, async, spool, verification, spans } = findings
  const missing = acknowledgedMissing(findings)
  return [
    `${findings.server}; Node ${process.versions.node}; ${availableParallelism()} cores`,
    `${findings.rounds} rounds of ${findings.seconds} s a side; medians, and the median of the rounds' ratios`,
    '',
    'Strict, with tracing: span, event, metric and row, beside a span and an INSERT; OTLP, all sampled',
    ...comparisonTable(strict),
    '',
    'Strict, without any tracing on either side',
    ...comparisonTable(untraced),
    '',
    `recordAsync: ${async.call_us.toFixed(1)} µs a call, synchronously; the plain span ${async.span_us.toFixed(1)} µs; ` +
      `ratio ${async.over_span.toFixed(2)}`,
    `recordAsync with the always spool: ${spool.ours.toFixed(0)} events a second on disk; raw lmdb puts of the same bytes, ` +
      `flushed every 64, ${spool.raw.toFixed(0)}; ratio ${spool.ratio.toFixed(2)}`,
    `verify: ${verification.verified.toFixed(0)} rows a second of processor time, 64 rows a block; only reading them ` +
      `${verification.read.toFixed(0)}; ${verification.rows} rows, ${verification.findings} findings, ` +
      `${verification.resident_mib.toFixed(0)} MiB resident`,
    `acknowledged events: ${strict.acknowledged + untraced.acknowledged}, not in the table: ${missing}`,
    `spans exported: ${spans.exported}, failed: ${spans.failed}`,
    '',
    ...goalTable(goals(strict, async, spool, verification)),
  ].join('\n')
}

/** The document that `--json` prints. */
export function jsonReport(findings: Findings): string {
  const { strict, untraced, async, spool, verification, spans, rounds, seconds } = findings
  return JSON.stringify(
    {
      strict: speeds(strict),
      untraced: speeds(untraced),
      record_async_over_span: async.over_span,
      record_async: async,
      spool_over_lmdb: spool.ratio,
      spool,
      verify: verification,
      acked: strict.acknowledged + untraced.acknowledged,
      acked_missing: acknowledgedMissing(findings),
      ratios: { strict: ratios(strict), untraced: ratios(untraced) },
      goals: goals(strict, async, spool, verification),
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

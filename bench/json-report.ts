import { FAR } from './condition.js'
import { acknowledged, type Findings, standing } from './findings.js'
import type { Standing } from './stand.js'
import { CONCURRENCIES, type Cost } from './strict.js'

/** The document that `--json` prints. What was not measured has no key. */
export function jsonReport(findings: Findings): string {
  const { async, spool, verification, drain, condition } = findings
  return JSON.stringify(
    {
      strict_stock: costs(standing(findings, 'stock', condition)),
      strict_own: costs(standing(findings, 'own', condition)),
      untraced: costs(standing(findings, 'untraced', condition)),
      far: costs(standing(findings, 'stock', FAR)),
      record_async_over_span: async?.over_span,
      spool_over_lmdb: spool?.ratio,
      verify_rows_per_core_second: verification?.verified,
      drain_rows_per_second: drain?.drained,
      acked_missing: acknowledged(findings).missing,
    },
    (_key, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(4)) : value),
  )
}

type Sides = Readonly<Record<'ours' | 'original', object>>

function costs(found: Standing | undefined): Readonly<Record<string, Sides>> | undefined {
  if (found === undefined) return undefined
  return Object.fromEntries(
    CONCURRENCIES.map((callers) => {
      const { ours, original } = found.result.at[callers]
      return [callers, { ours: keysOf(ours), original: keysOf(original) }]
    }),
  )
}

/** All keys, in one order: what this system does not tell is null. */
function keysOf({ rps, p50_ms, p99_ms, main_us, node_us, postgres_us }: Cost): object {
  return { rps, p50_ms, p99_ms, main_us: main_us ?? null, node_us, postgres_us: postgres_us ?? null }
}

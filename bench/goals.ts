import type { Findings } from './findings.js'

/** What was asked of a number: what it must keep, and what it should reach. */
export interface Goal {
  readonly what: string
  readonly value: number
  readonly must: number
  readonly aim: number
  readonly met: { readonly must: boolean; readonly aim: boolean }
}

export function goals({ strict, async, spool, verification }: Findings): readonly Goal[] {
  return [
    strict && atLeast('64 callers: rows a second, otel-audit to the original', strict.at[64].ratio.rps, 3, 4),
    strict && atMost('64 callers: p99, otel-audit to the original', strict.at[64].ratio.p99, 0.5, 0.3),
    strict && atMost('1 caller: p50, otel-audit to the original', strict.at[1].ratio.p50, 1.5, 1.3),
    async && atMost('recordAsync to a plain span', async.over_span, 2, 1.5),
    spool && atLeast('recordAsync with the always spool, to raw lmdb puts', spool.ratio, 0.4, 0.4),
    verification &&
      atLeast('verify: rows a second of processor time', verification.verified, 100_000, 130_000),
  ].filter((goal) => goal !== undefined)
}

function atLeast(what: string, value: number, must: number, aim: number): Goal {
  return { what: `${what} (at least)`, value, must, aim, met: { must: value >= must, aim: value >= aim } }
}

function atMost(what: string, value: number, must: number, aim: number): Goal {
  return { what: `${what} (at most)`, value, must, aim, met: { must: value <= must, aim: value <= aim } }
}

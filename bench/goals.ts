import type { AsyncResult } from './record-async.js'
import type { SpoolResult } from './spool.js'
import type { StrictResult } from './strict.js'
import type { VerifyResult } from './verification.js'

/** What was asked of a number: what it must keep, and what it should reach. */
export interface Goal {
  readonly what: string
  readonly value: number
  readonly must: number
  readonly aim: number
  readonly met: { readonly must: boolean; readonly aim: boolean }
}

export function goals(
  strict: StrictResult,
  async: AsyncResult,
  spool: SpoolResult,
  verification: VerifyResult,
): readonly Goal[] {
  return [
    atLeast('64 callers: rows a second, ours to the original', strict.at[64].ratio.rps, 3, 4),
    atMost('64 callers: p99, ours to the original', strict.at[64].ratio.p99, 0.5, 0.3),
    atMost('1 caller: p50, ours to the original', strict.at[1].ratio.p50, 1.5, 1.3),
    atMost('recordAsync to a plain span', async.over_span, 2, 1.5),
    atLeast('recordAsync with the always spool, to raw lmdb puts', spool.ratio, 0.4, 0.4),
    atLeast('verify: rows a second of processor time', verification.verified, 100_000, 130_000),
  ]
}

function atLeast(what: string, value: number, must: number, aim: number): Goal {
  return { what: `${what} (at least)`, value, must, aim, met: { must: value >= must, aim: value >= aim } }
}

function atMost(what: string, value: number, must: number, aim: number): Goal {
  return { what: `${what} (at most)`, value, must, aim, met: { must: value <= must, aim: value <= aim } }
}

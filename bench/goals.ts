import { FAR, NEAR } from './condition.js'
import { type Findings, standing } from './findings.js'
import type { Tracing } from './stand.js'

/** What was asked of a number. */
export interface Goal {
  readonly what: string
  /** Undefined where it could not be measured, as processor time on systems other than Linux. */
  readonly value: number | undefined
  readonly goal: number
  readonly is: 'least' | 'most'
}

export function isMet({ value, goal, is }: Goal): boolean {
  return value !== undefined && (is === 'least' ? value >= goal : value <= goal)
}

/** Of what was measured. */
export function goals(findings: Findings): readonly Goal[] {
  const { async, spool, verification, drain } = findings
  return [
    ...strictGoals(findings),
    async && most('recordAsync to a plain span', async.over_span, 1.6),
    spool && least('recordAsync with the always spool, to raw lmdb puts', spool.ratio, 0.8),
    verification && least('verify: rows a second of processor time', verification.verified, 190_000),
    drain && least('drain: rows a second', drain.drained, 30_000),
    drain && least('drain: to COPY into the same table', drain.drained / drain.copied, 0.6),
  ].filter((goal) => goal !== undefined)
}

function strictGoals(findings: Findings): (Goal | undefined)[] {
  const ratio = (
    tracing: Tracing,
    where: 'near' | 'far',
    callers: 1 | 64,
    of: 'rps' | 'p50' | 'p99',
    goal: number,
  ): Goal | undefined => {
    const found = standing(findings, tracing, where === 'near' ? NEAR : FAR)?.result.at[callers].ratio[of]
    if (found === undefined) return undefined
    const what = `${where}, ${tracing}, ${callers} caller${callers === 1 ? '' : 's'}: ${of === 'rps' ? 'rows a second' : of} to the original's`
    return of === 'rps' ? least(what, found, goal) : most(what, found, goal)
  }
  const stock = standing(findings, 'stock', NEAR)?.result.at[64].ours
  const untraced = standing(findings, 'untraced', NEAR)?.result.at[64].ours
  return [
    ratio('stock', 'near', 64, 'rps', 2.5),
    ratio('stock', 'far', 64, 'rps', 3.3),
    ratio('own', 'near', 64, 'rps', 3),
    ratio('own', 'far', 64, 'rps', 3.5),
    ratio('untraced', 'near', 64, 'rps', 3.2),
    ratio('untraced', 'far', 64, 'rps', 4),
    ratio('stock', 'near', 64, 'p99', 0.65),
    ratio('stock', 'far', 64, 'p99', 0.5),
    ratio('stock', 'near', 1, 'p50', 1.5),
    ratio('stock', 'far', 1, 'p50', 1.2),
    untraced && most('near, untraced, 64 callers: µs a row of the main thread', untraced.main_us, 15),
    stock && most('near, stock, 64 callers: µs a row of the main thread', stock.main_us, 40),
    untraced && most('near, untraced, 64 callers: µs a row of Postgres', untraced.postgres_us, 18),
  ]
}

export function least(what: string, value: number | undefined, goal: number): Goal {
  return { what: `${what} (at least)`, value, goal, is: 'least' }
}

export function most(what: string, value: number | undefined, goal: number): Goal {
  return { what: `${what} (at most)`, value, goal, is: 'most' }
}

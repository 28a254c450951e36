import { availableParallelism, loadavg } from 'node:os'
import { median } from '../statistics.js'
import { table } from '../table.js'
import type { InstrumentBenchOptions } from './options.js'
import type { CaseResult, InstrumentBench } from './run.js'

/** Most of other traffic, in µs of processor time a request. */
const OTHER_US = 3
/** Most of one look at a request that is none, in µs. */
const RECOGNISE_US = 1

export function instrumentReport({ rounds, calls }: InstrumentBenchOptions, bench: InstrumentBench) {
  const cases = bench.cases.map(reportedCase)
  const recognise = bench.recognise.map(({ name, us }) => ({
    name,
    best_us: rounded(Math.min(...us), 3),
    median_us: rounded(median(us), 3),
    goal: { us: RECOGNISE_US, met: Math.min(...us) <= RECOGNISE_US },
  }))
  const load = rounded(loadavg()[0] ?? 0, 1)
  const json = { node: process.versions.node, load, rounds, calls, cases, recognise }
  const text = [
    `Node ${process.versions.node}; ${availableParallelism()} cores, load ${load}; ${rounds} rounds of ${calls} calls; µs of processor time a call`,
    '',
    ...table([
      ['', 'bare', 'hooked', 'more, best', 'more, median', 'rows a call', 'goal'],
      ...cases.map((one) => [
        one.name,
        one.bare_us.toFixed(1),
        one.hooked_us.toFixed(1),
        one.more_best_us.toFixed(1),
        one.more_median_us.toFixed(1),
        String(one.rows_per_call),
        goalText(one.goal),
      ]),
    ]),
    '',
    ...table([
      ['a look at a', 'best', 'median', 'goal'],
      ...recognise.map(({ name, best_us, median_us, goal }) => [
        name,
        best_us.toFixed(3),
        median_us.toFixed(3),
        goalText(goal),
      ]),
    ]),
  ].join('\n')
  return { text, json }
}

/** Best of each side: what else runs on the machine adds to processor time, and never takes from it. */
function reportedCase({ name, isAccess, bare, hooked, rowsPerCall }: CaseResult) {
  const best = Math.min(...hooked) - Math.min(...bare)
  return {
    name,
    bare_us: rounded(Math.min(...bare), 1),
    hooked_us: rounded(Math.min(...hooked), 1),
    more_best_us: rounded(best, 1),
    more_median_us: rounded(median(hooked.map((us, i) => us - (bare[i] ?? 0))), 1),
    rows_per_call: rounded(rowsPerCall, 3),
    goal: isAccess ? undefined : { us: OTHER_US, met: best <= OTHER_US },
  }
}

function goalText(goal: { readonly us: number; readonly met: boolean } | undefined): string {
  return goal === undefined ? '' : `≤ ${goal.us}: ${goal.met ? 'met' : 'not met'}`
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

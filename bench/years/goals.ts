import { type Goal, least, most } from '../goals.js'
import type { Growth } from './run.js'

const FULL_TO_FRESH = 0.8
const P95_MS = 20
const ARCHIVE_TO_COPY = 0.25
const SLOWEST_MS = 250
const DAY_SECONDS = 10

/** Of what was measured of one trail. */
export function yearsGoals({ insert, reading = [], archive, hitches, verify }: Growth): readonly Goal[] {
  return [
    insert && least('inserting: rows a second to those into a fresh trail', insert.ratio.rps, FULL_TO_FRESH),
    ...reading.map(({ kind, p95_ms }) => most(`reading, ${kind}: p95 in ms`, p95_ms, P95_MS)),
    archive &&
      least('archive: rows a second to COPY', archive.archive.rps / archive.copy.rps, ARCHIVE_TO_COPY),
    hitches && most('the slowest strict call while months are made, in ms', hitches.made.max_ms, SLOWEST_MS),
    hitches &&
      most('the slowest strict call while a month is retired, in ms', hitches.retired.max_ms, SLOWEST_MS),
    verify && most('verifying one more day, in s', verify.day.seconds, DAY_SECONDS),
  ].filter((goal) => goal !== undefined)
}

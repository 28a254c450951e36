import { JSON } from '../host/globals.js'
import { describeFilter, parseFilter } from '../query/filter.js'
import { FILTER_FIELDS, type FilterName } from '../query/filter-fields.js'
import { BUCKETS } from '../query/histogram.js'
import { ACROSS } from '../query/matrix.js'
import { parseParameter } from '../query/parameter.js'
import { BY, checkBy, ORDER } from '../query/summary.js'
import { checkWho, LEAST, WHOSE, WITHIN } from '../query/suspicions.js'
import type { Reading } from '../event/self-rows.js'
import { recordRead } from './record-read.js'
import { json, type ReaderCall, type Route, type RouteContext } from './route.js'
import { TRAIL_PATH } from './trail-path.js'

const ALL = Object.keys(FILTER_FIELDS) as FilterName[]
const OF_GROUPS = ALL.filter((name) => name !== 'cursor')
const OF_BUCKETS = OF_GROUPS.filter((name) => name !== 'limit')

/** Records the read, and only then answers. */
async function answered(
  context: RouteContext,
  call: ReaderCall,
  what: Reading['what'],
  filter: object,
  found: object,
  rows: number,
): Promise<Response> {
  await recordRead(context, call, { what, filter: describeFilter(parseFilter(filter)), rows })
  return json(`${JSON.stringify(found)}\n`)
}

const histogram: Route = {
  path: `${TRAIL_PATH}/histogram`,
  operationId: 'getHistogram',
  summary: 'Number of rows over time, by outcome',
  description: 'Covers the last 24 hours unless `from` and `to` say otherwise.',
  access: 'readers',
  filter: OF_BUCKETS,
  parameters: { buckets: BUCKETS },
  answers: { 'application/json': 'Histogram' },
  async handle(context, call) {
    const { buckets: given, ...filter } = call.query
    const buckets = given === undefined ? undefined : parseParameter('buckets', BUCKETS, given)
    const found = await context.trail.histogram(filter, { buckets })
    return answered(context, call, 'histogram', filter, found, found.buckets.length)
  },
}

const summary: Route = {
  path: `${TRAIL_PATH}/summary`,
  operationId: 'getSummary',
  summary:
    'Per credential or another column: accesses, denials, distinct workers, actors and addresses, first and last access',
  description:
    'Covers the last 30 days unless `from` and `to` say otherwise, without the rows that the trail writes about itself. `limit` is the number of groups.',
  access: 'readers',
  filter: OF_GROUPS,
  parameters: { by: BY, order: ORDER },
  answers: { 'application/json': 'Summary' },
  async handle(context, call) {
    const { by, order, ...filter } = call.query
    const options = {
      by: checkBy(by),
      ...(order !== undefined && { order: parseParameter('order', ORDER, order) }),
    }
    const found = await context.trail.summary(filter, options)
    return answered(context, call, 'summary', filter, found, found.groups.length)
  },
}

const matrix: Route = {
  path: `${TRAIL_PATH}/matrix`,
  operationId: 'getMatrix',
  summary: 'Who accessed what: pairs of two columns, with accesses, denials, first and last access',
  description:
    'Covers the last 92 days unless `from` and `to` say otherwise, without the rows that the trail writes about itself. `limit` is the number of cells.',
  access: 'readers',
  filter: OF_GROUPS,
  parameters: { by: BY, across: ACROSS, order: ORDER },
  answers: { 'application/json': 'Matrix' },
  async handle(context, call) {
    const { by, across, order, ...filter } = call.query
    const found = await context.trail.matrix(filter, {
      by: checkBy(by),
      across: checkBy(across ?? 'actor_id', 'across'),
      ...(order !== undefined && { order: parseParameter('order', ORDER, order) }),
    })
    return answered(context, call, 'matrix', filter, found, found.cells.length)
  },
}

const bursts: Route = {
  path: `${TRAIL_PATH}/bursts`,
  operationId: 'getBursts',
  summary: 'Denials that followed each other closely',
  description:
    'Covers the last 24 hours unless `from` and `to` say otherwise. `limit` is the number of bursts; the largest come first.',
  access: 'readers',
  filter: OF_GROUPS,
  parameters: { by: WHOSE, within: WITHIN, least: LEAST },
  answers: { 'application/json': 'Bursts' },
  async handle(context, call) {
    const { by, within, least, ...filter } = call.query
    const found = await context.trail.bursts(filter, { by: checkWho(by), within, least })
    return answered(context, call, 'bursts', filter, found, found.bursts.length)
  },
}

const reversals: Route = {
  path: `${TRAIL_PATH}/reversals`,
  operationId: 'getReversals',
  summary: 'Accesses that were granted right after the same had been denied',
  description: 'Covers the last 24 hours unless `from` and `to` say otherwise; the latest come first.',
  access: 'readers',
  filter: OF_GROUPS,
  parameters: { by: WHOSE, within: WITHIN },
  answers: { 'application/json': 'Reversals' },
  async handle(context, call) {
    const { by, within, ...filter } = call.query
    const found = await context.trail.reversals(filter, { by: checkWho(by), within })
    return answered(context, call, 'reversals', filter, found, found.reversals.length)
  },
}

/** The routes that count rows in a window of time. */
export const COUNT_ROUTES: readonly Route[] = [histogram, summary, matrix, bursts, reversals]

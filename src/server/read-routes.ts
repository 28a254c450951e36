import { JSON } from '../host/globals.js'
import { AuditError } from '../errors.js'
import { snowflakeTime } from '../event/snowflake.js'
import { AT } from '../query/coverage.js'
import { settledFilter } from '../query/export/export-file.js'
import { manifestOf } from '../query/export/manifest-of.js'
import { describeFilter, parseFilter } from '../query/filter.js'
import { FILTER_FIELDS, type FilterField, type FilterName } from '../query/filter-fields.js'
import { AUDIT_ID, parseParameter } from '../query/parameter.js'
import { retiredIn } from '../query/retired.js'
import { type IdFormat, rowJson } from '../query/row.js'
import { preferred } from './accept.js'
import { COUNT_ROUTES } from './count-routes.js'
import { Problem } from './problem.js'
import { recordRead } from './record-read.js'
import { json, type Route, type RouteContext } from './route.js'
import { CSV, NDJSON, pageResponse, streamRows } from './stream.js'
import { TRAIL_PATH } from './trail-path.js'

const ALL = Object.keys(FILTER_FIELDS) as FilterName[]
const without = (...names: readonly FilterName[]): FilterName[] => ALL.filter((name) => !names.includes(name))

const IDS = {
  kind: 'choice',
  choices: ['string', 'number'] as const,
  doc: 'How 64-bit integers are written in JSON; `number` is for clients of the original.',
  example: 'string',
} satisfies FilterField
const FORMAT = {
  kind: 'choice',
  choices: ['ndjson', 'csv'] as const,
  doc: 'The format of the stream.',
  example: 'csv',
} satisfies FilterField

const rows: Route = {
  path: TRAIL_PATH,
  operationId: 'searchTrail',
  summary: 'Rows of the trail, newest first',
  description:
    'A page as JSON. With `Accept: application/x-ndjson` or `text/csv` and no `limit`, the whole settled result as a stream; with a `limit` one page of it.',
  access: 'readers',
  filter: ALL,
  parameters: { ids: IDS },
  answers: { 'application/json': 'Page', 'application/x-ndjson': 'Row', 'text/csv': 'Csv' },
  problems: [406],
  async handle(context, call) {
    const { ids: given, ...filter } = call.query
    const ids = idFormat(given)
    const resolved = parseFilter(filter)
    const type = preferred(call.request.headers.get('accept'), [
      'application/json',
      'application/x-ndjson',
      'text/csv',
    ])
    if (type === undefined)
      throw new Problem(
        406,
        'The available types are JSON, NDJSON (application/x-ndjson) and CSV (text/csv).',
      )
    const format = type === 'text/csv' ? CSV : type === 'application/x-ndjson' ? NDJSON : undefined
    if (format !== undefined && filter['limit'] === undefined)
      return streamRows(context, call, filter, format, ids)
    const page = await context.trail.search(filter)
    await recordRead(context, call, {
      what: 'rows',
      filter: describeFilter(resolved),
      rows: page.rows.length,
    })
    context.metrics.rowsRead(page.rows.length)
    if (format !== undefined) return pageResponse(page.rows, page.next_cursor, call, format, ids)
    const texts = page.rows.map((row) => rowJson(row, ids)).join(',')
    const { next_cursor, mark } = page
    return json(`{"rows":[${texts}],${JSON.stringify({ next_cursor, mark }).slice(1)}\n`)
  },
}

const row: Route = {
  path: `${TRAIL_PATH}/{audit_id}`,
  operationId: 'getRow',
  summary: 'One row, its block and proof, and the result of verifying it',
  access: 'readers',
  parameters: { ids: IDS },
  answers: { 'application/json': 'RowDetail' },
  problems: [404],
  async handle(context, call) {
    const auditId = auditIdOf(call.path['audit_id'])
    const ids = idFormat(call.query['ids'])
    const found = await context.trail.row(auditId)
    const filter = JSON.stringify({ audit_id: String(auditId) })
    await recordRead(context, call, { what: 'row', filter, rows: found === undefined ? 0 : 1 })
    if (found === undefined) throw new Problem(404, await whyMissing(context.trail, auditId))
    context.metrics.rowsRead(1)
    const { proven, ...verdict } = (await context.evidence?.evidenceOf(auditId)) ?? {}
    const evidence = 'status' in verdict ? verdict : null
    // What stands beside the verdict is what was proven, and not what the other read said.
    return json(`{"row":${rowJson({ ...found, ...proven }, ids)},"evidence":${JSON.stringify(evidence)}}\n`)
  },
}

const manifest: Route = {
  path: `${TRAIL_PATH}/manifest`,
  operationId: 'getManifest',
  summary: 'The manifest of a stream of rows: counts, SHA-256 of the file, chains and blocks',
  description:
    'Reads the same settled set once more: `settled` is the mark of the stream, from its header `secret-audit-mark`.',
  access: 'readers',
  filter: without('cursor', 'limit'),
  parameters: { format: FORMAT },
  answers: { 'application/json': 'Manifest' },
  async handle(context, call) {
    const { format = 'ndjson', ...filter } = call.query
    const found = await manifestOf(
      context.trail,
      settledFilter(filter),
      parseParameter('format', FORMAT, format),
    )
    const { rows, sha256 } = found
    await recordRead(context, call, { what: 'manifest', filter: JSON.stringify(found.filter), rows, sha256 })
    return json(`${JSON.stringify(found)}\n`)
  },
}

const chains: Route = {
  path: `${TRAIL_PATH}/chains`,
  operationId: 'getChains',
  summary: 'The health of the chains of signed blocks, the most recently active first',
  description:
    'As the first and the last block of each report it. Only `otel-audit verify` proves that nothing between them was changed. `limit` is the number of chains.',
  access: 'readers',
  filter: ['limit'],
  answers: { 'application/json': 'Chains' },
  async handle(context, call) {
    const { trail, trust } = context
    const found = await trail.chains(call.query, { trust })
    const filter = describeFilter(parseFilter(call.query))
    await recordRead(context, call, { what: 'chains', filter, rows: found.chains.length })
    return json(`${JSON.stringify(found)}\n`)
  },
}

const coverage: Route = {
  path: `${TRAIL_PATH}/coverage`,
  operationId: 'getCoverage',
  summary: 'How the secret clients of each service were covered at a time',
  description:
    'What each process had said last in its rows `audit_coverage`, unless it had stopped. `limit` is the number of clients.',
  access: 'readers',
  filter: ['service_name', 'limit'],
  parameters: { at: AT },
  answers: { 'application/json': 'Coverage' },
  async handle(context, call) {
    const { at, ...filter } = call.query
    const found = await context.trail.coverage(filter, { at })
    await recordRead(context, call, {
      what: 'coverage',
      filter: JSON.stringify({ ...filter, at: found.at }),
      rows: found.clients.length,
    })
    return json(`${JSON.stringify(found)}\n`)
  },
}

const retired: Route = {
  path: `${TRAIL_PATH}/retired`,
  operationId: 'getRetired',
  summary: 'What was retired of the trail, and where its archives are',
  description:
    'Oldest first. A window that reaches into one of them is answered without its rows: `otel-audit query --archive` reads those. `ranges` is null for a login that may not see it.',
  access: 'readers',
  answers: { 'application/json': 'Retired' },
  async handle(context, call) {
    const found = await context.trail.retired()
    await recordRead(context, call, { what: 'retired', filter: '{}', rows: found.ranges?.length ?? 0 })
    return json(`${JSON.stringify(found)}\n`)
  },
}

/** The routes that read the trail. Those with a fixed path go before the one with an id in it. */
export const READ_ROUTES: readonly Route[] = [rows, ...COUNT_ROUTES, manifest, chains, coverage, retired, row]

function idFormat(given: string | undefined): IdFormat {
  return given === undefined ? 'string' : parseParameter('ids', IDS, given)
}

/** A link to a row may be older than what the trail keeps. */
async function whyMissing(trail: RouteContext['trail'], auditId: bigint): Promise<string> {
  const at = snowflakeTime(auditId) * 1000
  const [range] = retiredIn(await trail.retired(), { from: at, to: at + 1 })
  if (range === undefined) return 'There is no row with this id.'
  const where = range.place === null ? 'without an archive' : `and their archive is in ${range.place}`
  return `There is no row with this id: those of its time were retired, ${where}.`
}

function auditIdOf(text = ''): bigint {
  const id = AUDIT_ID.test(text) ? BigInt(text) : -1n
  if (id >= 0n && BigInt.asIntN(64, id) === id) return id
  throw new AuditError('AUDIT_INVALID_QUERY', 'audit_id must be an integer of 63 bits', { field: 'audit_id' })
}

import { CHAIN_STATES } from '../verify/chain-state.js'
import type { FilterField } from '../query/filter-fields.js'
import { FILTER_FIELDS } from '../query/filter-fields.js'
import { AUDIT_ID, ofPattern, parameterSchema } from '../query/parameter.js'
import { COLUMNS, type ColumnName } from '../query/row.js'
import { SUMMARY_BY } from '../query/summary.js'
import { VERSION } from '../version.js'
import type { Route } from './route.js'

type Schema = Readonly<Record<string, unknown>>
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })
const string: Schema = { type: 'string' }
const integer: Schema = { type: 'integer' }
const time: Schema = { type: 'string', format: 'date-time' }
const object = (properties: Readonly<Record<string, Schema>>): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
})
const list = (items: Schema): Schema => ({ type: 'array', items })

const ALWAYS: readonly ColumnName[] = [
  'audit_id',
  'occurred_at',
  'recorded_at',
  'credential',
  'operation',
  'outcome',
]
const OF_ITS_OWN: Readonly<Partial<Record<ColumnName, Schema>>> = {
  audit_id: { type: 'string', pattern: '^\\d+$', description: 'A snowflake: 64 bits, as digits.' },
  occurred_at: time,
  recorded_at: time,
  attributes: { type: ['object', 'null'] },
  block_index: { type: ['integer', 'null'] },
}

function rowSchema(): Schema {
  const schemaOf = (column: ColumnName): Schema =>
    OF_ITS_OWN[column] ?? { type: ALWAYS.includes(column) ? 'string' : ['string', 'null'] }
  return object(Object.fromEntries(COLUMNS.map((column) => [column, schemaOf(column)])))
}

const SCHEMAS: Readonly<Record<string, Schema>> = {
  Row: rowSchema(),
  Page: object({
    rows: list(ref('Row')),
    next_cursor: {
      type: ['string', 'null'],
      description: 'Where the next page begins; null after the last.',
    },
    mark: { type: ['string', 'null'], description: 'With `settled`: the mark that fixes the set of rows.' },
  }),
  RowDetail: object({ row: ref('Row'), evidence: { anyOf: [ref('Evidence'), { type: 'null' }] } }),
  Evidence: object({
    status: { enum: ['verified', 'not-verified', 'unsigned'] },
    findings: list(string),
    block: { type: ['string', 'null'], description: 'The signed block, as a note.' },
    proof: list(string),
    vouched: {
      type: 'boolean',
      description:
        'With `verified`: an enrolment key of the trust file has signed the first block of the chain.',
    },
  }),
  Histogram: object({
    from: time,
    to: time,
    bucket_seconds: integer,
    buckets: list(
      object({ from: time, total: integer, outcomes: { type: 'object', additionalProperties: integer } }),
    ),
  }),
  Summary: object({
    by: { enum: SUMMARY_BY },
    groups: list(
      object({
        value: { type: ['string', 'null'] },
        accesses: integer,
        denials: integer,
        workers: integer,
        actors: integer,
        first_access: time,
        last_access: time,
      }),
    ),
    truncated: { type: 'boolean', description: 'Whether there are more groups than `limit`.' },
  }),
  Chains: object({
    chains: list(
      object({
        chain_id: { type: 'string', pattern: '^[0-9a-f]{32}$' },
        log: string,
        service_name: { type: ['string', 'null'] },
        service_instance_id: { type: ['string', 'null'] },
        state: { enum: CHAIN_STATES },
        blocks: integer,
        rows: integer,
        lost: { type: 'integer', description: 'Events that the writer reported as lost.' },
        last_block_time: { type: ['string', 'null'], format: 'date-time' },
        enrolled: {
          type: ['boolean', 'null'],
          description: 'By a key of the trust file; null when it has none.',
        },
      }),
    ),
    truncated: { type: 'boolean', description: 'Whether there are more chains than `limit`.' },
  }),
  Coverage: object({
    at: time,
    clients: list(
      object({
        service_name: { type: ['string', 'null'] },
        client: string,
        version: { type: ['string', 'null'] },
        state: { enum: ['hooked', 'not_hooked', 'wire', 'observed'] },
        hook: { type: ['string', 'null'], description: 'What is hooked.' },
        reason: { type: ['string', 'null'], description: 'Why it is not, or what was seen.' },
        processes: { type: 'integer', description: 'Processes that said so, and had not stopped.' },
        since: { type: ['string', 'null'], format: 'date-time' },
        stated: time,
      }),
    ),
    truncated: { type: 'boolean', description: 'Whether there are more clients than `limit`.' },
  }),
  Status: object({ status: { const: 'ok' } }),
  SignIn: object({
    sign_in: { type: 'boolean', description: 'Whether people sign in here, at `/auth/login`.' },
    token: { type: 'boolean', description: 'Whether somebody may read with a bearer token.' },
    reader: {
      anyOf: [object({ name: string, until: time }), { type: 'null' }],
      description: 'Who is signed in.',
    },
  }),
  Csv: {
    type: 'string',
    description:
      'RFC 4180, with a header line. Text that a spreadsheet could execute is prefixed with an apostrophe.',
  },
  Text: string,
  Openapi: { type: 'object' },
  Problem: {
    type: 'object',
    description: 'RFC 9457.',
    required: ['type', 'title', 'status', 'detail'],
    properties: {
      type: string,
      title: string,
      status: integer,
      detail: string,
      code: { type: 'string', description: 'One of docs/errors.md.' },
      parameter: { type: 'string', description: 'The parameter at fault.' },
      hint: string,
    },
  },
}

/** Statuses that every route for readers may answer with. */
const READERS_PROBLEMS = [400, 401, 403, 503, 504]
const EVERYBODYS_PROBLEMS = [429]

/** The OpenAPI 3.1 document of some routes. */
export function openapiDocument(routes: readonly Route[]): Schema {
  return {
    openapi: '3.1.0',
    info: {
      title: 'The audit trail of secret access',
      version: VERSION,
      description: 'Every read of the trail leaves a row in it, with the reader and the filter.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: Object.fromEntries(routes.map((route) => [route.path, { get: operation(route) }])),
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-otel-audit-session',
          description: 'Of who is signed in; from pages of this origin only.',
        },
      },
    },
  }
}

function operation(route: Route): Schema {
  const {
    operationId,
    summary,
    description,
    access,
    path,
    filter = [],
    parameters = {},
    answers,
    redirects = [],
  } = route
  const problems = [
    ...(access === 'readers' ? READERS_PROBLEMS : []),
    ...(route.problems ?? []),
    ...EVERYBODYS_PROBLEMS,
  ]
  const content = (types: Readonly<Record<string, string>>): Schema =>
    Object.fromEntries(Object.entries(types).map(([type, name]) => [type, { schema: ref(name) }]))
  return {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    security: access === 'readers' ? [{ bearer: [] }, { session: [] }] : [],
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
        name,
        in: 'path',
        required: true,
        schema: ofPattern(AUDIT_ID),
      })),
      ...filter.map((name) => parameter(name, FILTER_FIELDS[name])),
      ...Object.entries(parameters).map(([name, field]) => parameter(name, field)),
    ],
    responses: {
      ...(redirects.length === 0 && { 200: { description: summary, content: content(answers) } }),
      ...Object.fromEntries(redirects.map((status) => [status, { description: summary }])),
      ...Object.fromEntries(
        problems.map((status) => [
          status,
          { description: 'A problem document.', content: content({ 'application/problem+json': 'Problem' }) },
        ]),
      ),
    },
  }
}

function parameter(name: string, field: FilterField): Schema {
  return { name, in: 'query', description: field.doc, example: field.example, schema: parameterSchema(field) }
}

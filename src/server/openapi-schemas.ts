import { CHAIN_STATES } from '../verify/chain-state.js'
import { COLUMNS, type ColumnName } from '../query/row.js'
import { SUMMARY_BY } from '../query/summary.js'

export type Schema = Readonly<Record<string, unknown>>
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

/** What routes answer with. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
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
    anchored: {
      type: 'boolean',
      description: 'With `verified`: the trust file names the block, or a later one that it leads to.',
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
        sources: integer,
        first_access: time,
        last_access: time,
      }),
    ),
    truncated: { type: 'boolean', description: 'Whether there are more groups than `limit`.' },
  }),
  Matrix: object({
    by: { enum: SUMMARY_BY },
    across: { enum: SUMMARY_BY },
    cells: list(
      object({
        value: { type: ['string', 'null'] },
        other: { type: ['string', 'null'] },
        accesses: integer,
        denials: integer,
        first_access: time,
        last_access: time,
      }),
    ),
    truncated: { type: 'boolean', description: 'Whether there are more cells than `limit`.' },
  }),
  Bursts: object({
    by: string,
    bursts: list(
      object({
        value: { type: ['string', 'null'] },
        denials: integer,
        credentials: integer,
        sources: integer,
        outcomes: list(string),
        began: time,
        ended: time,
      }),
    ),
    truncated: { type: 'boolean', description: 'Whether there are more bursts than `limit`.' },
  }),
  Reversals: object({
    by: string,
    reversals: list(
      object({
        credential: string,
        value: { type: ['string', 'null'] },
        denied_outcome: string,
        denied_id: string,
        denied: time,
        allowed_id: string,
        allowed: time,
      }),
    ),
    truncated: { type: 'boolean' },
  }),
  Manifest: {
    type: 'object',
    description: 'Of an export: docs/query.md.',
    required: ['format', 'file', 'sha256', 'filter', 'mark', 'rows', 'chains'],
  },
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
        processes: {
          type: 'integer',
          description: 'Processes and threads that said so, and had not stopped.',
        },
        since: { type: ['string', 'null'], format: 'date-time' },
        stated: time,
      }),
    ),
    truncated: { type: 'boolean', description: 'Whether there are more clients than `limit`.' },
  }),
  Retired: object({
    ranges: {
      anyOf: [
        list(
          object({
            partition: string,
            state: { enum: ['retiring', 'retired'] },
            from: {
              type: ['string', 'null'],
              format: 'date-time',
              description: 'Of ids; null: no lower bound.',
            },
            to: time,
            rows: integer,
            place: {
              type: ['string', 'null'],
              description: 'Where the archive was put; null: retired without one.',
            },
          }),
        ),
        { type: 'null' },
      ],
    },
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

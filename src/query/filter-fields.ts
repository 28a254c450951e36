import { TEXT_LIMITS } from '../event/fields.js'

/** Rows of a page when the caller does not say. */
const DEFAULT_PAGE_ROWS = 100
/** Most rows of one page. */
const LARGEST_PAGE_ROWS = 10_000
/** Longest credential: one of 512 characters and the `*`. */
const CREDENTIAL_FILTER_LENGTH = TEXT_LIMITS.credential + 1

type FilterKind =
  | { readonly kind: 'text'; readonly limit: number }
  | { readonly kind: 'name' }
  | { readonly kind: 'int64' }
  | { readonly kind: 'trace' }
  | { readonly kind: 'time' }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly default: number }
  | { readonly kind: 'mark' }
  | { readonly kind: 'hours' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }

export type FilterField = FilterKind & {
  readonly doc: string
  readonly example: string
  /** Several values at once, and what is to be left out: `a,b`, `!a`. */
  readonly isList?: true
  /** The column is in no index: without a window, or another filter that is, the whole trail would be read. */
  readonly needsWindow?: true
}

/** What can be asked of the trail. Library, HTTP, command line, console and OpenAPI document all come from here. */
export const FILTER_FIELDS = Object.freeze({
  credential: {
    kind: 'text',
    isList: true,
    limit: CREDENTIAL_FILTER_LENGTH,
    doc: 'The credential: exact, or a prefix followed by `*`.',
    example: 'orders-db',
  },
  operation: { kind: 'name', isList: true, doc: 'What was attempted.', example: 'get_credential' },
  outcome: {
    kind: 'name',
    isList: true,
    doc: 'How it ended; `not-ok` for all but `ok`, `requested`, `started`, `stopped`, `mode_changed`, `hooked` and `wire`.',
    example: 'not-ok',
  },
  worker_id: {
    kind: 'text',
    isList: true,
    limit: TEXT_LIMITS.workerId,
    needsWindow: true,
    doc: 'The worker that requested it.',
    example: 'worker-7',
  },
  execution_id: { kind: 'int64', isList: true, doc: 'The execution.', example: '7216413337829376' },
  parent_execution_id: {
    kind: 'int64',
    isList: true,
    needsWindow: true,
    doc: 'The execution that started it.',
    example: '7216413337829375',
  },
  actor_id: {
    kind: 'text',
    isList: true,
    limit: TEXT_LIMITS.actorId,
    needsWindow: true,
    doc: 'The actor: a user or a workload.',
    example: 'jane',
  },
  actor_type: {
    kind: 'name',
    isList: true,
    needsWindow: true,
    doc: 'What the actor is: `user`, `service` or `system`.',
    example: 'user',
  },
  source_address: {
    kind: 'text',
    isList: true,
    limit: TEXT_LIMITS.sourceAddress,
    needsWindow: true,
    doc: 'The address that the request came from.',
    example: '192.0.2.7',
  },
  service_name: {
    kind: 'text',
    isList: true,
    limit: TEXT_LIMITS.serviceName,
    needsWindow: true,
    doc: 'The service that recorded it.',
    example: 'orders',
  },
  service_instance_id: {
    kind: 'text',
    isList: true,
    limit: TEXT_LIMITS.serviceInstanceId,
    needsWindow: true,
    doc: 'The process of the service.',
    example: 'orders-7d4b9',
  },
  trace_id: {
    kind: 'trace',
    isList: true,
    needsWindow: true,
    doc: 'The trace: 32 hex digits.',
    example: '4bf92f3577b34da6a3ce929d0e0e4736',
  },
  server_region: {
    kind: 'text',
    isList: true,
    limit: TEXT_LIMITS.serverRegion,
    needsWindow: true,
    doc: 'The region that served.',
    example: 'eu-central-1',
  },
  broker_region: {
    kind: 'text',
    isList: true,
    limit: TEXT_LIMITS.brokerRegion,
    needsWindow: true,
    doc: 'The region that brokered.',
    example: 'eu-west-1',
  },
  kek_version: {
    kind: 'text',
    isList: true,
    limit: TEXT_LIMITS.kekVersion,
    needsWindow: true,
    doc: 'The version of the key-encryption key.',
    example: 'v3',
  },
  hours: {
    kind: 'hours',
    needsWindow: true,
    doc: 'Hours of the week, on the clocks of a time zone (default: UTC); with `!` what is outside of them.',
    example: '!mo-fr 08:00-18:00 Europe/Berlin',
  },
  own: {
    kind: 'choice',
    choices: ['exclude', 'include'],
    doc: 'What the trail writes of its own work: reads, exports, lifecycle and coverage. Left out unless it is `include`, or `credential` or `operation` names them. Lost and quarantined events always stay.',
    example: 'include',
  },
  from: {
    kind: 'time',
    doc: 'Start of the window, inclusive: RFC 3339, a date, or how long ago (`-24h`, `7d`).',
    example: '2026-07-01T00:00:00Z',
  },
  to: { kind: 'time', doc: 'End of the window, exclusive: as `from`.', example: '2026-10-01' },
  settled: {
    kind: 'mark',
    doc: 'Only rows of transactions older than every one that was running at the first page: a set that no longer changes. Or the `mark` of an earlier answer, for the same set again.',
    example: 'true',
  },
  limit: {
    kind: 'integer',
    min: 1,
    max: LARGEST_PAGE_ROWS,
    default: DEFAULT_PAGE_ROWS,
    doc: 'Rows per page.',
    example: '100',
  },
  cursor: {
    kind: 'text',
    limit: 128,
    doc: 'Where the page begins: `next_cursor` of the previous page, with the same filters.',
    example: 'AXmJ…',
  },
} satisfies Record<string, FilterField>)

export type FilterName = keyof typeof FILTER_FIELDS

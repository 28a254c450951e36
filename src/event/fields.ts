export type ActorType = 'user' | 'service' | 'system'

/** One audit event: frozen once, never changed. What is not known is `null`. */
export interface AuditEvent {
  readonly auditId: bigint
  /** µs since the Unix epoch; a safe integer until the year 2255. */
  readonly occurredAt: number
  readonly credential: string
  readonly operation: string
  readonly outcome: string
  readonly workerId: string | null
  readonly executionId: bigint | null
  readonly parentExecutionId: bigint | null
  readonly serverRegion: string | null
  readonly brokerRegion: string | null
  readonly kekVersion: string | null
  readonly notes: string | null
  readonly actorId: string | null
  readonly actorType: ActorType | null
  readonly sourceAddress: string | null
  readonly serviceName: string | null
  readonly serviceInstanceId: string | null
  readonly traceId: string | null
  readonly spanId: string | null
  /** The attributes as the one JSON text that is hashed, sent and stored. */
  readonly attributesJson: string | null
  /** The id this event had before it was re-keyed, because another event held it. */
  readonly originalAuditId: bigint | null
}

/** What the values of a kind are in TypeScript. */
interface Kinds {
  /** 64 bits, signed. */
  readonly int8: bigint
  /** µs since the Unix epoch. */
  readonly time: number
  /** Free text, up to `limit`. */
  readonly text: string
  /** Of the vocabulary. */
  readonly name: string
  readonly actorType: ActorType
  /** Lower-case hex digits. */
  readonly hex: string
  readonly json: string
}

type KindOf<Value> = {
  [Kind in keyof Kinds]: [Value, Kinds[Kind]] extends [Kinds[Kind], Value] ? Kind : never
}[keyof Kinds]

interface FieldOf<Name extends keyof AuditEvent> {
  readonly name: Name
  /** In the digest. A tag is never used again for another field, and a new field gets the next one. */
  readonly tag: number
  /** In the trail, and behind `secret_audit.` on a span event. */
  readonly column: string
  readonly kind: KindOf<NonNullable<AuditEvent[Name]>>
  /** Longest text, in UTF-16 code units. */
  readonly limit?: number
  /** Never null. */
  readonly required?: null extends AuditEvent[Name] ? never : true
  /** Who sets it: the caller of a record, the pipeline (`EventIdentity`), or `rekeyEvent`. */
  readonly by: 'caller' | 'pipeline' | 'rekey'
}

export type Field = { [Name in keyof AuditEvent]: FieldOf<Name> }[keyof AuditEvent]

/**
 * Every field of an event, one a line, in the order of the tags. All of them are hashed.
 *
 * Where it matters for speed, and in SQL, they are written out once more; `fields.test.ts` holds each of those places
 * against this table. An absent field adds nothing to a digest, so old digests stay what they are when a field is added.
 */
const TABLE = [
  { tag: 1, name: 'auditId', column: 'audit_id', kind: 'int8', required: true, by: 'pipeline' },
  // Without a caller's, the clock's.
  { tag: 2, name: 'occurredAt', column: 'occurred_at', kind: 'time', required: true, by: 'caller' },
  {
    tag: 3,
    name: 'credential',
    column: 'credential',
    kind: 'text',
    limit: 512,
    required: true,
    by: 'caller',
  },
  { tag: 4, name: 'operation', column: 'operation', kind: 'name', required: true, by: 'caller' },
  { tag: 5, name: 'outcome', column: 'outcome', kind: 'name', required: true, by: 'caller' },
  { tag: 6, name: 'workerId', column: 'worker_id', kind: 'text', limit: 256, by: 'caller' },
  { tag: 7, name: 'executionId', column: 'execution_id', kind: 'int8', by: 'caller' },
  { tag: 8, name: 'parentExecutionId', column: 'parent_execution_id', kind: 'int8', by: 'caller' },
  { tag: 9, name: 'serverRegion', column: 'server_region', kind: 'text', limit: 128, by: 'caller' },
  { tag: 10, name: 'brokerRegion', column: 'broker_region', kind: 'text', limit: 128, by: 'caller' },
  { tag: 11, name: 'kekVersion', column: 'kek_version', kind: 'text', limit: 128, by: 'caller' },
  { tag: 12, name: 'notes', column: 'notes', kind: 'text', limit: 1024, by: 'caller' },
  { tag: 13, name: 'actorId', column: 'actor_id', kind: 'text', limit: 256, by: 'caller' },
  { tag: 14, name: 'actorType', column: 'actor_type', kind: 'actorType', by: 'caller' },
  { tag: 15, name: 'sourceAddress', column: 'source_address', kind: 'text', limit: 128, by: 'caller' },
  { tag: 16, name: 'serviceName', column: 'service_name', kind: 'text', limit: 256, by: 'pipeline' },
  {
    tag: 17,
    name: 'serviceInstanceId',
    column: 'service_instance_id',
    kind: 'text',
    limit: 256,
    by: 'pipeline',
  },
  { tag: 18, name: 'traceId', column: 'trace_id', kind: 'hex', by: 'pipeline' },
  { tag: 19, name: 'spanId', column: 'span_id', kind: 'hex', by: 'pipeline' },
  { tag: 20, name: 'attributesJson', column: 'attributes', kind: 'json', by: 'caller' },
  { tag: 21, name: 'originalAuditId', column: 'original_audit_id', kind: 'int8', by: 'rekey' },
] as const satisfies readonly Field[]

export const FIELDS: readonly Field[] = Object.freeze(TABLE)

type Row = (typeof TABLE)[number]

/** A field that the table has. */
export type FieldName = Row['name']
/** A column that an event's field is stored in. */
export type FieldColumn = Row['column']
/** A field of free text. */
export type TextField = Extract<Row, { readonly limit: number }>['name']
/** A field that a caller may set, by the name it has there: attributes are encoded on the way. */
export type CallerField = CallerName<Extract<Row, { readonly by: 'caller' }>['name']>
type CallerName<Name> = Name extends 'attributesJson' ? 'attributes' : Name

/** Limits of the text fields, in UTF-16 code units. */
export const TEXT_LIMITS = Object.freeze(
  Object.fromEntries(FIELDS.flatMap(({ name, limit }) => (limit === undefined ? [] : [[name, limit]]))),
) as Readonly<Record<TextField, number>>

export const CALLER_FIELDS: ReadonlySet<string> = new Set(
  FIELDS.filter(({ by }) => by === 'caller').map(
    ({ name }): CallerField => (name === 'attributesJson' ? 'attributes' : (name as CallerField)),
  ),
)

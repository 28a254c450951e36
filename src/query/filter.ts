import * as z from 'zod'
import { AuditError } from '../errors.js'
import { nearest } from '../event/nearest.js'
import { isStorable } from '../event/text.js'
import { isVocabularyName } from '../event/vocabulary.js'
import { FILTER_FIELDS, type FilterField, type FilterName } from './filter-fields.js'
import { formatTime, parseTime } from './time.js'

/** Whatever went wrong. What says only that something began, stopped or changed is not meant. */
export const NOT_OK = 'not-ok'

/** What is asked of the trail. Text is exact; times are RFC 3339 or relative. Ids also as strings of digits. */
export interface TrailFilter {
  /** Exactly, or how it begins followed by `*`. */
  readonly credential?: string | undefined
  readonly operation?: string | undefined
  /** `not-ok` for all but `ok`, `started`, `stopped` and `mode_changed`. */
  readonly outcome?: string | undefined
  readonly worker_id?: string | undefined
  readonly execution_id?: bigint | number | string | undefined
  readonly parent_execution_id?: bigint | number | string | undefined
  readonly actor_id?: string | undefined
  readonly service_name?: string | undefined
  readonly trace_id?: string | undefined
  readonly server_region?: string | undefined
  readonly kek_version?: string | undefined
  /** Inclusive. */
  readonly from?: Date | string | undefined
  /** Exclusive. */
  readonly to?: Date | string | undefined
  /** `true`, or the mark of an earlier page for the same set again. */
  readonly settled?: boolean | string | undefined
  /** Rows of a page, 1 to 10,000. */
  readonly limit?: number | string | undefined
  readonly cursor?: string | undefined
}

function schemaOf(field: FilterField) {
  switch (field.kind) {
    case 'text':
      return z
        .string('must be a text')
        .min(1, 'must not be empty')
        .max(field.limit, `must have at most ${field.limit} characters`)
        .refine((text) => isStorable(text, field.limit), 'must not have control characters')
    case 'name':
      return z
        .string('must be a text')
        .refine(
          (text) => text === NOT_OK || isVocabularyName(text),
          'must be lower snake case of 1 to 64 characters',
        )
    case 'int64':
      return z
        .union([z.string(), z.number(), z.bigint()], 'must be an integer of 64 bits')
        .refine(isInt64, 'must be an integer of 64 bits')
        .transform((value) => BigInt(value).toString())
    case 'trace':
      return z
        .string('must be a text')
        .regex(/^[0-9a-fA-F]{32}$/, 'must be 32 hex digits')
        .transform((text) => text.toLowerCase())
    case 'time':
      return z
        .union([z.string(), z.date()], 'must be a time')
        .transform((value) => (value instanceof Date ? (isoOf(value) ?? '') : value))
        .refine(
          (text) => parseTime(text, Date.now()) !== undefined,
          'must be a time of RFC 3339, such as 2026-07-01T00:00:00Z, a date, or how long ago, such as -24h or 7d',
        )
    case 'integer': {
      // The union does not say it for a text that does not match.
      const wanted = `must be an integer from ${field.min} to ${field.max}`
      return z
        .union([z.string().regex(/^\d{1,9}$/, wanted), z.number()], wanted)
        .transform(Number)
        .refine((value) => Number.isInteger(value) && value >= field.min && value <= field.max, wanted)
    }
    case 'mark': {
      const wanted = 'must be true, false, or the mark of an earlier answer'
      return z
        .union([z.boolean(), z.string().regex(/^(true|false|\d{1,18})$/, wanted)], wanted)
        .transform(String)
    }
    case 'choice':
      return z.enum(field.choices, `must be one of ${field.choices.join(', ')}`)
  }
}

function isInt64(value: string | number | bigint): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  if (typeof value === 'string' && !/^-?\d{1,19}$/.test(value)) return false
  const id = BigInt(value)
  return BigInt.asIntN(64, id) === id
}

function isoOf(date: Date): string | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

const SHAPE = Object.fromEntries(
  Object.entries<FilterField>(FILTER_FIELDS).map(([name, field]) => [
    name,
    schemaOf(field)
      .optional()
      .meta({ description: field.doc, examples: [field.example] }),
  ]),
)

/** The definition of a filter, as a schema. */
export const filterSchema = z.strictObject(SHAPE)

/** What the schema makes of a filter. */
type Checked = { readonly [Name in FilterName]?: Name extends 'limit' ? number : string }

/** A filter that was checked, its times resolved. */
export interface ResolvedFilter {
  /** What a column must be, exactly. */
  readonly equals: Readonly<Record<string, string>>
  /** How the credential begins. */
  readonly credentialPrefix: string | undefined
  readonly notOk: boolean
  /** µs since the Unix epoch, inclusive. */
  readonly from: number | undefined
  /** µs since the Unix epoch, exclusive. */
  readonly to: number | undefined
  readonly settled: boolean
  /** The mark that was asked for by name. */
  readonly mark: bigint | undefined
  readonly limit: number
  readonly cursor: string | undefined
  /** The filter as it was given, but for page and size: what a cursor belongs to. */
  readonly text: string
}

const OF_THE_PAGE: ReadonlySet<string> = new Set<FilterName>(['limit', 'cursor'])

/**
 * Checks a filter.
 *
 * @param given values as texts (a query string, a command line) or of their own types
 * @param nowMs what relative times count from
 * @param isBounded whether something else bounds what is read, so that no filter needs a window
 * @throws AuditError `AUDIT_INVALID_QUERY`, whose `field` names the parameter
 */
export function parseFilter(
  given: unknown,
  nowMs: number = Date.now(),
  { isBounded = false } = {},
): ResolvedFilter {
  const parsed = filterSchema.safeParse(given)
  if (!parsed.success) throw invalid(parsed.error)
  const fields = withoutUndefined(parsed.data)
  const { from, to, settled, limit, cursor, outcome, credential, ...equals } = fields
  const window = { from: micros(from, nowMs), to: micros(to, nowMs) }
  if (window.from !== undefined && window.to !== undefined && window.from >= window.to) {
    throw new AuditError(
      'AUDIT_INVALID_QUERY',
      `from must be before to; ${formatTime(window.from)} is not before ${formatTime(window.to)}`,
      { field: 'from' },
    )
  }
  const prefix = prefixOf(credential)
  const filter: ResolvedFilter = {
    ...window,
    equals: {
      ...equals,
      ...(credential !== undefined && prefix === undefined && { credential }),
      ...(outcome !== undefined && outcome !== NOT_OK && { outcome }),
    },
    credentialPrefix: prefix,
    notOk: outcome === NOT_OK,
    settled: settled !== undefined && settled !== 'false',
    mark: settled !== undefined && /^\d+$/.test(settled) ? BigInt(settled) : undefined,
    limit: limit ?? FILTER_FIELDS.limit.default,
    cursor,
    text: JSON.stringify(
      Object.entries(fields)
        .filter(([name]) => !OF_THE_PAGE.has(name))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  }
  if (!isBounded) requireWindow(filter)
  return filter
}

function withoutUndefined(fields: Checked): Checked {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function micros(text: string | undefined, nowMs: number): number | undefined {
  return text === undefined ? undefined : parseTime(text, nowMs)
}

/** `orders-*` begins with `orders-`; `*` alone is every credential. */
function prefixOf(credential: string | undefined): string | undefined {
  return credential?.endsWith('*') === true ? credential.slice(0, -1) : undefined
}

/** A filter as JSON, its times resolved: what the row about a read says. */
export function describeFilter({
  equals,
  credentialPrefix,
  notOk,
  from,
  to,
  settled,
  mark,
}: ResolvedFilter): string {
  return JSON.stringify({
    ...(credentialPrefix !== undefined && { credential: `${credentialPrefix}*` }),
    ...(notOk && { outcome: NOT_OK }),
    ...equals,
    ...(from !== undefined && { from: formatTime(from) }),
    ...(to !== undefined && { to: formatTime(to) }),
    ...(settled && { settled: mark === undefined ? true : String(mark) }),
  })
}

/** A filter that no index serves reads what it filters: a window bounds that. */
function requireWindow({ equals, credentialPrefix, from }: ResolvedFilter): void {
  const isIndexed =
    from !== undefined ||
    'credential' in equals ||
    'execution_id' in equals ||
    (credentialPrefix !== undefined && credentialPrefix !== '')
  if (isIndexed) return
  const field = Object.keys(equals).find(
    (name) => (FILTER_FIELDS[name as FilterName] as FilterField).needsWindow === true,
  )
  if (field === undefined) return
  throw new AuditError(
    'AUDIT_INVALID_QUERY',
    `${field} alone would read the whole trail: add from (such as from=-30d), credential or execution_id`,
    { field },
  )
}

function invalid(error: z.ZodError): AuditError {
  const [issue] = error.issues
  if (issue?.code === 'unrecognized_keys') {
    const [field = ''] = issue.keys
    const hint = nearest(field, Object.keys(FILTER_FIELDS))
    const suggestion = hint === undefined ? '' : `; did you mean ${hint}?`
    return new AuditError(
      'AUDIT_INVALID_QUERY',
      `there is no parameter ${JSON.stringify(field.slice(0, 80))}${suggestion}`,
      { field },
    )
  }
  const field = String(issue?.path[0] ?? 'filter')
  return new AuditError('AUDIT_INVALID_QUERY', `${field} ${issue?.message ?? 'is not understood'}`, {
    field,
  })
}

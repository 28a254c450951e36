import { wallClock } from '../host/globals.js'
import { AuditError } from '../errors.js'
import { isStorable } from '../event/text.js'
import type { FilterField } from './filter-fields.js'
import { HOURS, parseHours } from './hours.js'
import { type Item, joinList, LIST_VALUES, splitList } from './list.js'
import { parseTime } from './time.js'

/** Whatever went wrong. What says only that something began, stopped or changed is not meant. */
export const NOT_OK = 'not-ok'

const NAME = /^(?:not-ok|[a-z][a-z0-9_]{0,63})$/
const INT64 = /^-?\d{1,19}$/
const TRACE_ID = /^[0-9a-fA-F]{32}$/
/** Longest list, in characters of a query string. */
const LIST_LENGTH = 16_384
const MARK = /^(true|false|\d{1,18})$/
const INTEGER = /^\d{1,9}$/
/** Of a row, in a path or a flag. */
export const AUDIT_ID = /^\d{1,19}$/

type Schema = Readonly<Record<string, unknown>>

type ValueOf<Field extends FilterField> = Field extends { readonly kind: 'integer' }
  ? number
  : Field extends { readonly kind: 'choice'; readonly choices: readonly (infer Choice)[] }
    ? Choice
    : string

/**
 * Checks a parameter that is given as text (a query string, a command line) or as a value of its own type.
 *
 * @returns its one form: a number for an `integer`, else text
 * @throws AuditError `AUDIT_INVALID_QUERY`, whose `field` is the name
 */
export function parseParameter<Field extends FilterField>(
  name: string,
  field: Field,
  given: unknown,
): ValueOf<Field> {
  const problem = (what: string): AuditError =>
    new AuditError('AUDIT_INVALID_QUERY', `${name} ${what}`, { field: name })
  if (field.isList === true && isText(given)) return listOf(field, given, problem) as ValueOf<Field>
  const value = valueOf(field, given)
  if (value !== undefined) return value as ValueOf<Field>
  throw problem(wanted(field, given))
}

/** Each value is checked by itself. @returns the list in its one form */
function listOf(field: FilterField, given: string, problem: (what: string) => AuditError): string {
  const items = splitList(given)
  if (items.length > LIST_VALUES) throw problem(`must have at most ${LIST_VALUES} values`)
  const canBePrefix = field.kind === 'text'
  const checked = items.map((item): Item => {
    const text = item.isPrefix ? `${item.text}*` : item.text
    const value = valueOf(field, text)
    if (value === undefined) throw problem(wanted(field, text))
    return { ...item, text: item.isPrefix ? item.text : String(value) }
  })
  return joinList(checked, canBePrefix)
}

/** @returns undefined for what is not a value of the parameter */
function valueOf(field: FilterField, given: unknown): string | number | undefined {
  switch (field.kind) {
    case 'text':
      return isText(given) && given !== '' && isStorable(given, field.limit) ? given : undefined
    case 'name':
      return matching(NAME, given)
    case 'int64':
      return int64(given)
    case 'trace':
      return matching(TRACE_ID, given)?.toLowerCase()
    case 'time': {
      const text = given instanceof Date ? isoOf(given) : given
      return isText(text) && parseTime(text, wallClock()) !== undefined ? text : undefined
    }
    case 'integer': {
      const number = typeof given === 'number' ? given : Number(matching(INTEGER, given) ?? Number.NaN)
      return Number.isInteger(number) && number >= field.min && number <= field.max ? number : undefined
    }
    case 'mark':
      return typeof given === 'boolean' ? String(given) : matching(MARK, given)
    case 'hours':
      return isText(given) && parseHours(given) !== undefined ? given : undefined
    case 'choice':
      return field.choices.find((choice) => choice === given)
  }
}

/** What follows the parameter's name in an error. */
function wanted(field: FilterField, given: unknown): string {
  switch (field.kind) {
    case 'text':
      if (!isText(given)) return 'must be a string'
      if (given === '') return 'must not be empty'
      if (given.length > field.limit) return `must have at most ${field.limit} characters`
      return 'must not have control characters'
    case 'name':
      return isText(given) ? 'must be lower snake case of 1 to 64 characters' : 'must be a string'
    case 'int64':
      return 'must be an integer of 64 bits'
    case 'trace':
      return isText(given) ? 'must be 32 hex digits' : 'must be a string'
    case 'time':
      return 'must be an RFC 3339 time such as 2026-07-01T00:00:00Z, a date, or how long ago, such as -24h or 7d'
    case 'integer':
      return `must be an integer from ${field.min} to ${field.max}`
    case 'mark':
      return 'must be true, false, or the mark of an earlier answer'
    case 'hours':
      return 'must be hours of the week such as mo-fr 08:00-18:00 Europe/Berlin, with ! in front for what is outside of them'
    case 'choice':
      return field.choices.length === 2
        ? `must be ${field.choices.join(' or ')}`
        : `must be one of ${field.choices.join(', ')}`
  }
}

/** The JSON Schema of a parameter in a query string: the same patterns and limits. */
export function parameterSchema(field: FilterField): Schema {
  const schema = schemaOfOne(field)
  if (field.isList !== true) return schema
  const { pattern } = schema
  if (typeof pattern !== 'string') return { ...schema, maxLength: LIST_LENGTH }
  const one = `!?${pattern.slice(1, -1)}`
  return { type: 'string', pattern: `^${one}(?:, *${one}){0,${LIST_VALUES - 1}}$` }
}

function schemaOfOne(field: FilterField): Schema {
  switch (field.kind) {
    case 'text':
      return { type: 'string', minLength: 1, maxLength: field.limit }
    case 'name':
      return ofPattern(NAME)
    case 'int64':
      return ofPattern(INT64)
    case 'trace':
      return ofPattern(TRACE_ID)
    case 'time':
      return { type: 'string' }
    case 'integer':
      return { type: 'integer', minimum: field.min, maximum: field.max, default: field.default }
    case 'mark':
      return { ...ofPattern(MARK), default: 'false' }
    case 'hours':
      return ofPattern(HOURS)
    case 'choice':
      return { enum: field.choices, default: field.choices[0] }
  }
}

export function ofPattern({ source }: RegExp): Schema {
  return { type: 'string', pattern: source }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function matching(pattern: RegExp, value: unknown): string | undefined {
  return isText(value) && pattern.test(value) ? value : undefined
}

/** In decimal, without leading zeros. */
function int64(given: unknown): string | undefined {
  const isInteger =
    typeof given === 'bigint' || Number.isSafeInteger(given) || matching(INT64, given) !== undefined
  if (!isInteger) return undefined
  const id = BigInt(given as bigint | number | string)
  return BigInt.asIntN(64, id) === id ? id.toString() : undefined
}

function isoOf(date: Date): string | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

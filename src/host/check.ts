import { AuditError } from '../errors.js'

// Of the room's invariant: an option that is not one is refused when an object is made, and never met in a record.

/** @throws AuditError `AUDIT_INVALID_OPTION` unless `value` is an integer from `min` to `max` */
export function checkInteger(field: string, value: unknown, min: number, max: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw refused(field, `an integer from ${min} to ${max}`, value)
}

/** @throws AuditError `AUDIT_INVALID_OPTION` unless `value` is a string that is not empty. It is not quoted */
export function checkText(field: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw refused(field, 'a string that is not empty', undefined)
}

/** @throws AuditError `AUDIT_INVALID_OPTION` unless `value` is such a string, or a function that gives one. It is not quoted */
export function checkTextOrSource(field: string, value: unknown): void {
  if (typeof value === 'function' || (typeof value === 'string' && value !== '')) return
  throw refused(field, 'a string that is not empty, or a function', undefined)
}

/** @throws AuditError `AUDIT_INVALID_OPTION` unless `value` is one of `choices` */
export function checkChoice<Choice extends string>(
  field: string,
  value: unknown,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === value)
  if (found !== undefined) return found
  throw refused(field, `one of ${choices.join(', ')}`, value)
}

/** @throws AuditError `AUDIT_INVALID_OPTION` unless `value` is a function */
export function checkFunction(field: string, value: unknown): void {
  if (typeof value !== 'function') throw refused(field, 'a function', undefined)
}

/** @throws AuditError `AUDIT_INVALID_OPTION` unless `value` is an object with such a method */
export function checkMethod(field: string, value: unknown, method: string): void {
  const has = typeof value === 'object' && value !== null && method in value
  if (!has || typeof (value as Record<string, unknown>)[method] !== 'function')
    throw refused(field, `an object with a method ${method}`, undefined)
}

function refused(field: string, wanted: string, value: unknown): AuditError {
  const got =
    typeof value === 'number' || typeof value === 'boolean'
      ? `; got ${value}`
      : value === null
        ? '; got null'
        : ''
  return new AuditError('AUDIT_INVALID_OPTION', `${field} must be ${wanted}${got}`, { field })
}

import { AuditError } from '../errors.js'

const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/**
 * A length of time, such as `30d`, `12h`, `90s`, in ms.
 *
 * @param field the option that it is of
 * @throws AuditError `AUDIT_INVALID_OPTION`
 */
export function durationMs(text: string, field: string): number {
  const [, count, unit = ''] = /^([1-9]\d{0,5})([smhdw])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN)
  if (!Number.isNaN(ms)) return ms
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    `${field} must be a number of seconds, minutes, hours, days or weeks, such as 90s, 30m, 1h, 30d, 4w; got ${text}`,
    { field },
  )
}

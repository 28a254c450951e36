/** 1970, and the last year whose microseconds are safe integers. */
const FIRST_MICROS = 0
const LAST_MICROS = Date.UTC(2255, 0, 1) * 1000

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}
const RELATIVE = /^-?(\d{1,6})([smhdw])$/
/** RFC 3339, with up to six digits of the second's fraction; or a date, which is its midnight in UTC. */
const ABSOLUTE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?([Zz]|[+-]\d{2}:\d{2}))?$/

/**
 * A time as people write it, in µs since the Unix epoch.
 *
 * @param nowMs what a relative time (`-24h`, `7d`, `now`) counts from
 * @returns undefined for what is not a time, or not between 1970 and 2255
 */
export function parseTime(text: string, nowMs: number): number | undefined {
  const micros = text === 'now' ? nowMs * 1000 : (relative(text, nowMs) ?? absolute(text))
  return micros !== undefined && micros >= FIRST_MICROS && micros < LAST_MICROS ? micros : undefined
}

/** How long, as people write it (`5m`, `90d`), in ms. @returns undefined for what is not that */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  const ms = UNIT_MS[unit]
  return amount === undefined || ms === undefined ? undefined : Number(amount) * ms
}

function relative(text: string, nowMs: number): number | undefined {
  const [, amount, unit = ''] = RELATIVE.exec(text) ?? []
  const ms = UNIT_MS[unit]
  return amount === undefined || ms === undefined ? undefined : (nowMs - Number(amount) * ms) * 1000
}

function absolute(text: string): number | undefined {
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] =
    ABSOLUTE.exec(text) ?? []
  if (year === undefined) return undefined
  const written = `${year}-${month}-${day}T${hour}:${minute}:${second}`
  const ms = Date.parse(`${written}Z`)
  // `Date.parse` takes the 30th of February for the 2nd of March.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 19) !== written) return undefined
  const offset = offsetMs(zone)
  if (offset === undefined) return undefined
  return (ms - offset) * 1000 + Number(fraction.padEnd(6, '0'))
}

function offsetMs(zone: string): number | undefined {
  if (/^z$/i.test(zone)) return 0
  const [, sign, hours, minutes] = /^([+-])(\d{2}):(\d{2})$/.exec(zone) ?? []
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined
  return (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1)
}

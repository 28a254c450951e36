/** Hours of the week, on the clocks of a time zone. */
export interface Hours {
  /** 1 is Monday. */
  readonly days: readonly number[]
  /** Minutes of the day: from inclusive, to exclusive. Over midnight when `from` is not before `to`. */
  readonly from: number
  readonly to: number
  /** Of the IANA database. */
  readonly zone: string
  /** Whether what is outside of them is meant. */
  readonly isExcluded: boolean
}

const DAYS = ['mo', 'tu', 'we', 'th', 'fr', 'sa', 'su']
const DAY = `(?:${DAYS.join('|')})`
/** `!mo-fr 08:00-18:00 Europe/Berlin` */
export const HOURS = new RegExp(
  `^(!?)(?:(${DAY})(?:-(${DAY}))? )?([01]\\d|2[0-3]):([0-5]\\d)-([01]\\d|2[0-4]):([0-5]\\d)(?: ([A-Za-z][\\w+/-]{0,63}))?$`,
)

/** @returns undefined for what is not hours */
export function parseHours(text: string): Hours | undefined {
  const [, not, first, last = first, ...rest] = HOURS.exec(text) ?? []
  const [fromHour, fromMinute, toHour, toMinute, zone = 'UTC'] = rest
  if (not === undefined || !isZone(zone)) return undefined
  const to = Number(toHour) * 60 + Number(toMinute)
  if (to > 24 * 60) return undefined
  return {
    days: daysFrom(first, last),
    from: Number(fromHour) * 60 + Number(fromMinute),
    to,
    zone,
    isExcluded: not !== '',
  }
}

/** Over the end of the week where the last day comes first. */
function daysFrom(first: string | undefined, last: string | undefined): number[] {
  if (first === undefined || last === undefined) return DAYS.map((_, i) => i + 1)
  const from = DAYS.indexOf(first)
  const count = ((DAYS.indexOf(last) - from + DAYS.length) % DAYS.length) + 1
  return Array.from({ length: count }, (_, i) => ((from + i) % DAYS.length) + 1)
}

function isZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

const WEEKDAYS: Readonly<Record<string, number>> = { Mon: 1, Tue: 2, Wed: 3, Thu: 4, Fri: 5, Sat: 6, Sun: 7 }

/** @param micros since the Unix epoch */
export function isWithin({ days, from, to, zone, isExcluded }: Hours, micros: number): boolean {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(new Date(micros / 1000))
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? ''
  const minute = Number(part('hour')) * 60 + Number(part('minute'))
  const isInside = from < to ? minute >= from && minute < to : minute >= from || minute < to
  return (days.includes(WEEKDAYS[part('weekday')] ?? 0) && isInside) !== isExcluded
}

/** `08:00` */
export function clock(minutes: number): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/** The text that {@link parseHours} reads as these. */
export function writtenHours({ days, from, to, zone, isExcluded }: Hours): string {
  const [first, last] = [days[0] ?? 1, days.at(-1) ?? 7]
  const week = days.length === DAYS.length ? '' : `${DAYS[first - 1]}-${DAYS[last - 1]} `
  return `${isExcluded ? '!' : ''}${week}${clock(from)}-${clock(to)} ${zone}`
}

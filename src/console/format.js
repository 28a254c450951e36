import { zone } from './state.js'

const two = (n) => String(n).padStart(2, '0')

/** `2026-11-26 10:50:22.059`, by UTC or by the clock of this machine. */
export function shortTime(time) {
  if (zone() === 'utc') return time.slice(0, 23).replace('T', ' ')
  const date = new Date(time)
  return `${localDay(date)} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${time.slice(20, 23).padEnd(3, '0')}`
}

/** `2026-11-26 10:50` */
export const minuteTime = (time) => shortTime(time).slice(0, 16)

function localDay(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** What times are by, for the head of a column. */
export const zoneName = () => (zone() === 'utc' ? 'UTC' : 'local')

export const count = (n) => n.toLocaleString('en-US')

/** `1 row`, `2 rows` */
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
]

/** How long, to the unit that says enough: `92 d`, `3 h`. */
export function duration(ms) {
  for (const [name, length] of UNITS) if (ms >= length) return `${count(Math.floor(ms / length))} ${name}`
  return '0 s'
}

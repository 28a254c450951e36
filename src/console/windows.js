import { el } from './dom.js'
import { changed, defaultFrom } from './state.js'

const quarterStart = (date, back = 0) =>
  new Date(Date.UTC(date.getUTCFullYear(), (Math.floor(date.getUTCMonth() / 3) - back) * 3, 1))
    .toISOString()
    .slice(0, 10)

function presets(now) {
  return [
    ['1 h', '-1h', ''],
    ['24 h', '-24h', ''],
    ['7 d', '-7d', ''],
    ['30 d', '-30d', ''],
    ['Quarter', quarterStart(now), ''],
    ['Last quarter', quarterStart(now, 1), quarterStart(now)],
  ]
}

/** Links to the windows that are asked for most. */
export function windowLinks(state, now = new Date()) {
  const [currentFrom, currentTo] = [state.from ?? defaultFrom(state), state.to ?? '']
  return presets(now).map(([title, from, to]) =>
    el(
      'a',
      {
        class: 'button',
        href: changed(state, { from, to }),
        'aria-current': from === currentFrom && to === currentTo ? 'true' : undefined,
      },
      title,
    ),
  )
}

/** Half as much again on both sides, up to now. */
export function wider({ from, to }) {
  const length = Date.parse(to) - Date.parse(from)
  const end = Math.min(Date.parse(to) + length / 2, Math.max(Date.now(), Date.parse(to)))
  return [new Date(Math.max(0, Date.parse(from) - length / 2)).toISOString(), new Date(end).toISOString()]
}

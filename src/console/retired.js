import { read } from './api.js'
import { copyButton, el } from './dom.js'
import { FILTER_NAMES } from './state.js'

/** Read once: what was retired stays so. */
let known

/** Nobody who signs in after somebody else sees what that one had read. */
export const forgetRetired = () => (known = undefined)

/**
 * What of a window was retired, and the command that reads its archive: an answer without those rows looks as if there were none.
 *
 * @param {{from: string, to: string}} window as the server has resolved it
 * @returns {Promise<readonly Node[]>}
 */
export async function retiredNotices(state, window) {
  // Not ended when something else is wanted: that waits for it, too.
  known ??= read('/retired', {}).catch((error) => {
    known = undefined
    throw error
  })
  const { ranges } = await known
  const within = (ranges ?? []).filter(
    ({ from, to }) => to > window.from && (from === null || from < window.to),
  )
  const places = [...new Set(within.map(({ place }) => place))]
  return places.map((place) =>
    notice(
      state,
      window,
      place,
      within.filter((range) => range.place === place),
    ),
  )
}

function notice(state, window, place, ranges) {
  const [first, last] = [ranges[0].from, ranges.at(-1).to]
  const which = first === null ? `Rows before ${day(last)}` : `Rows from ${day(first)} to ${day(last)}`
  if (place === null) return el('p', {}, `${which} were retired without an archive.`)
  const command = commandOf(state, window, place, last)
  return el(
    'p',
    {},
    `${which} were retired, and are not shown. Their archive is in `,
    el('code', {}, place),
    ': ',
    el('code', { class: 'command' }, command),
    ' ',
    copyButton('Copy', () => command),
  )
}

function commandOf(state, window, place, last) {
  const what = state.view === 'summary' ? 'summary' : 'query'
  const filters = FILTER_NAMES.filter((name) => state[name]).flatMap((name) => [
    `--${name.replaceAll('_', '-')}`,
    quoted(state[name]),
  ])
  const to = window.to < last ? window.to : last
  const words = ['otel-audit', what, '--archive', quoted(place), '--trust', 'audit.trust', ...filters]
  return [...words, '--from', second(window.from), '--to', second(to)].join(' ')
}

/** A word of a shell. */
const quoted = (text) => (/^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** To the second, as people give times. */
const second = (time) => time.replace(/\.\d+Z$/, 'Z')

/** Partitions begin with a day. */
const day = (time) => (/T00:00:00(\.0+)?Z$/.test(time) ? time.slice(0, 10) : time)

import { el, scrolled, table } from './dom.js'
import { count, counted, shortTime, zoneName } from './format.js'
import { changed } from './state.js'

const LIMIT = 1000
const STATES = {
  hooked: { text: 'hooked', className: 'good' },
  wire: { text: 'at the wire', className: 'good' },
  not_hooked: { text: 'not hooked', className: 'bad' },
  observed: { text: 'not held back', className: 'bad' },
}
const AT = [
  ['', 'Now'],
  ['-7d', '7 d ago'],
  ['-30d', '30 d ago'],
  ['-90d', '90 d ago'],
]
const isGap = ({ state }) => STATES[state]?.className !== 'good'

/** Which secret clients of which services are audited, and how; those that are not come first. */
export async function coverageView(state, read, signal) {
  const { at, clients, truncated } = await read('/coverage', { limit: LIMIT, at: state.at }, signal)
  const gaps = clients.filter(isGap).length
  const services = [...Map.groupBy(clients, ({ service_name: name }) => name)].toSorted(
    ([, a], [, b]) => b.filter(isGap).length - a.filter(isGap).length,
  )
  return [
    el('h2', {}, 'Coverage'),
    el(
      'ul',
      { class: 'tiles' },
      el('li', { class: gaps > 0 && 'bad' }, el('b', {}, count(gaps)), ' clients not covered'),
      el('li', {}, el('b', {}, count(clients.length - gaps)), ' covered'),
      el('li', {}, el('b', {}, count(services.length)), ' services'),
    ),
    el(
      'div',
      { class: 'toolbar' },
      el(
        'p',
        { class: 'quiet' },
        `What each process had said last about its secret clients, as of ${shortTime(at).slice(0, 16)} ${zoneName()}. Processes that had stopped are left out.`,
      ),
      el(
        'span',
        { class: 'segments', role: 'group', 'aria-label': 'When' },
        ...AT.map(([value, title]) =>
          el(
            'a',
            {
              class: 'button',
              href: changed(state, { at: value }),
              'aria-current': (state.at ?? '') === value ? 'true' : undefined,
            },
            title,
          ),
        ),
      ),
    ),
    clients.length === 0
      ? el('p', { class: 'empty' }, 'No process has said how its secret clients are covered.')
      : '',
    ...services.map(([name, list]) => section(name, list)),
    truncated ? el('p', { class: 'quiet' }, `The first ${clients.length} are shown.`) : '',
  ]
}

function section(name, list) {
  const title = name ?? 'Service unknown'
  const columns = [
    { title: 'Client', cell: ({ client }) => el('code', {}, client) },
    { title: 'Version', cell: ({ version }) => version ?? '' },
    {
      title: 'State',
      cell: ({ state }) => STATES[state]?.text ?? state,
      className: ({ state }) => STATES[state]?.className ?? '',
    },
    {
      title: `Since (${zoneName()})`,
      cell: ({ since }) => (since === null ? 'unknown' : shortTime(since)),
      className: () => 'time',
    },
    { title: 'Processes', isNumber: true, cell: ({ processes }) => count(processes) },
    { title: 'Hook or reason', cell: ({ hook, reason }) => reason ?? hook ?? '' },
  ]
  return el(
    'section',
    { class: 'aligned coverage-of' },
    el('h3', {}, title, ' ', el('span', { class: 'quiet' }, counted(list.length, 'client'))),
    scrolled(`Coverage of ${title}`, table(`Coverage of ${title}`, columns, list)),
  )
}

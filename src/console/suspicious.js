import { el, scrolled, table, unknown } from './dom.js'
import { count, counted, duration, shortTime, zoneName } from './format.js'
import { swatch } from './outcomes.js'
import { changed, filtersOf, hrefOf } from './state.js'

const LIMIT = 200
const WITHIN = [
  ['60', '1 min'],
  ['', '5 min'],
  ['3600', '1 h'],
]

/** What an auditor looks at first: denials in bursts, and accesses that were granted right after a denial. */
export async function suspiciousView(state, read, signal) {
  const filters = { ...filtersOf(state), limit: LIMIT, within: state.within }
  const bursts = await read('/bursts', { ...filters, least: state.least }, signal)
  const reversals = await read('/reversals', filters, signal)
  return [
    el('h2', {}, 'What to look at'),
    el(
      'div',
      { class: 'toolbar' },
      el(
        'p',
        { class: 'quiet' },
        'Who is the actor, else the worker, else the address. What else is worth a look is among the saved views.',
      ),
      el(
        'span',
        { class: 'segments', role: 'group', 'aria-label': 'Between one and the next' },
        ...WITHIN.map(([within, title]) =>
          el(
            'a',
            {
              class: 'button',
              href: changed(state, { within }),
              'aria-current': (state.within ?? '') === within ? 'true' : undefined,
            },
            title,
          ),
        ),
      ),
    ),
    ...burstSection(bursts, state),
    ...reversalSection(reversals, state),
  ]
}

function burstSection({ bursts, truncated }, state) {
  const title = 'Bursts of denials'
  const columns = [
    { title: 'Who', cell: ({ value }) => value ?? unknown() },
    { title: 'Denials', isNumber: true, cell: ({ denials }) => count(denials), className: () => 'bad' },
    { title: 'Credentials', isNumber: true, cell: ({ credentials }) => count(credentials) },
    { title: 'Addresses', isNumber: true, cell: ({ sources }) => count(sources) },
    {
      title: 'Outcomes',
      cell: ({ outcomes }) =>
        el('span', {}, ...outcomes.flatMap((outcome) => [swatch(outcome), `${outcome} `])),
    },
    {
      title: `Began (${zoneName()})`,
      className: () => 'time',
      cell: ({ began, ended }) =>
        el('a', { href: rowsBetween(state, began, ended) }, shortTime(began).slice(0, 19)),
    },
    { title: 'Lasted', cell: ({ began, ended }) => duration(Date.parse(ended) - Date.parse(began)) },
  ]
  return [
    el('h3', {}, `${title} `, el('span', { class: 'quiet' }, found(bursts, truncated))),
    bursts.length === 0
      ? el('p', { class: 'empty' }, 'No burst of denials in this window of time.')
      : scrolled(title, table(title, columns, bursts)),
  ]
}

/** The rows of the time, and the denied ones of them only. */
function rowsBetween(state, began, ended) {
  const to = new Date(Date.parse(ended) + 1000).toISOString()
  return hrefOf({ ...state, view: '', within: '', least: '', outcome: 'not-ok', from: began, to })
}

function reversalSection({ reversals, truncated }, state) {
  const title = 'Denied, and then granted'
  const to = (id, time) =>
    el('a', { href: hrefOf({ ...state, row: id }), 'data-row': id }, shortTime(time).slice(0, 19))
  const columns = [
    { title: 'Who', cell: ({ value }) => value ?? unknown() },
    { title: 'Credential', cell: ({ credential }) => credential },
    {
      title: 'Denied as',
      cell: ({ denied_outcome: outcome }) => el('span', { class: 'bad' }, swatch(outcome), outcome),
    },
    {
      title: `Denied (${zoneName()})`,
      className: () => 'time',
      cell: ({ denied, denied_id: id }) => to(id, denied),
    },
    {
      title: `Granted (${zoneName()})`,
      className: () => 'time',
      cell: ({ allowed, allowed_id: id }) => to(id, allowed),
    },
    { title: 'After', cell: ({ denied, allowed }) => duration(Date.parse(allowed) - Date.parse(denied)) },
  ]
  return [
    el('h3', {}, `${title} `, el('span', { class: 'quiet' }, found(reversals, truncated))),
    reversals.length === 0
      ? el('p', { class: 'empty' }, 'Nothing was granted right after a denial in this window of time.')
      : scrolled(title, table(title, columns, reversals)),
  ]
}

const found = ({ length }, truncated) => (truncated ? `the first ${length}` : counted(length, 'case'))

import { el, scrolled, table, unknown } from './dom.js'
import { count, counted, duration, minuteTime, zoneName } from './format.js'
import { changed, filtersOf, FILTERS, hrefOf, literal } from './state.js'

/** What a single credential is looked at by. */
const OF_A_CREDENTIAL = ['actor_id', 'worker_id', 'source_address', 'service_name', 'server_region']
const GROUPS = 200
/** Not accessed for so long, a credential is dormant. */
const DORMANT_MS = 90 * 86_400_000

/** What is counted of others than the one that it is by. */
const COUNTED = [
  ['actor_id', 'actors', 'Actors'],
  ['worker_id', 'workers', 'Workers'],
  ['source_address', 'sources', 'Addresses'],
]

const ORDERS = [
  ['', 'Most accesses'],
  ['denials', 'Most denials'],
  ['recent', 'Last access'],
  ['oldest', 'First access'],
  ['newest', 'New first'],
  ['dormant', 'Dormant first'],
  ['name', 'Name'],
]

/** Whether one credential is looked at, and not several. */
export function isOneCredential({ credential }) {
  return credential !== undefined && !/[*,]$|(?<!\\),|^!/.test(credential)
}

/** Counts per credential, or of one credential by who and from where. */
export async function summaryView(state, read, signal) {
  const bys = isOneCredential(state) ? OF_A_CREDENTIAL : [state.by ?? 'credential']
  const summaries = []
  for (const by of bys) {
    summaries.push(
      await read('/summary', { ...filtersOf(state), limit: GROUPS, by, order: state.order }, signal),
    )
  }
  const title = isOneCredential(state) ? `Who accessed ${state.credential}` : 'Accessed credentials'
  const isDormant = state.order === 'dormant' && !state.from
  return [
    el('h2', {}, title),
    el(
      'div',
      { class: 'toolbar' },
      el(
        'p',
        { class: 'quiet' },
        isOneCredential(state)
          ? rowsLink(state)
          : 'Counted in the window above, without what the trail writes about itself.',
      ),
      el(
        'span',
        { class: 'segments', role: 'group', 'aria-label': 'Order' },
        ...ORDERS.map((order) => orderLink(order, state)),
      ),
    ),
    isDormant
      ? el(
          'p',
          { class: 'notice' },
          'Only what was accessed in the window is here: ',
          el('a', { href: changed(state, { from: '-400d' }) }, 'look at the last 400 days'),
          '.',
        )
      : '',
    ...summaries.map((summary) => section(summary, state)),
  ]
}

function rowsLink(state) {
  return el('a', { href: changed(state, { view: '', order: '' }) }, 'Its rows, one by one')
}

function orderLink([order, title], state) {
  return el(
    'a',
    {
      class: 'button',
      href: changed(state, { order }),
      'aria-current': (state.order ?? '') === order ? 'true' : undefined,
    },
    title,
  )
}

function section({ by, groups, truncated }, state) {
  const number = (name, title, order) => ({
    title,
    isNumber: true,
    sort:
      order === undefined
        ? undefined
        : { href: changed(state, { order }), isOn: (state.order ?? '') === order },
    cell: (group) => count(group[name]),
    className: (group) => (name === 'denials' && group[name] > 0 ? 'bad' : ''),
  })
  const time = (name, title, order) => ({
    title: `${title} (${zoneName()})`,
    sort: {
      href: changed(state, { order }),
      isOn: state.order === order,
      isAscending: order === 'oldest',
    },
    cell: (group) => minuteTime(group[name]),
    className: () => 'time',
  })
  const columns = [
    { title: FILTERS[by] ?? by, cell: ({ value }) => valueCell(by, value, state) },
    number('accesses', 'Accesses', ''),
    number('denials', 'Denied', 'denials'),
    ...COUNTED.filter(([name]) => name !== by).map(([, key, title]) => number(key, title)),
    time('first_access', 'First', 'oldest'),
    time('last_access', 'Last', 'recent'),
    {
      title: 'Idle for',
      sort: {
        href: changed(state, { order: 'dormant' }),
        isOn: state.order === 'dormant',
        isAscending: true,
      },
      cell: ({ last_access: last }) => duration(Date.now() - Date.parse(last)),
      className: ({ last_access: last }) => (Date.now() - Date.parse(last) > DORMANT_MS ? 'bad' : 'quiet'),
    },
  ]
  const title = `Accesses by ${FILTERS[by] ?? by}`
  if (groups.length === 0) return el('p', { class: 'empty' }, `${title}: no accesses in this window of time.`)
  return el(
    'section',
    { class: 'aligned summary-of' },
    el(
      'h3',
      {},
      FILTERS[by] ?? by,
      ' ',
      el(
        'span',
        { class: 'quiet' },
        truncated ? `the first ${groups.length}` : counted(groups.length, 'value'),
      ),
    ),
    scrolled(title, table(title, columns, groups)),
  )
}

function valueCell(by, value, state) {
  if (value === null) return unknown()
  const view = by === 'credential' ? 'summary' : ''
  return el(
    'a',
    { href: hrefOf({ ...state, cursor: '', row: '', order: '', view, [by]: literal(by, value) }) },
    value,
  )
}

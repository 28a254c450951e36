import { el, shortTime, table } from './dom.js'
import { hrefOf } from './state.js'

/** What a single credential is looked at by. */
export const OF_A_CREDENTIAL = ['actor_id', 'worker_id', 'source_address', 'server_region']

const TITLES = {
  credential: 'Credential',
  actor_id: 'Actor',
  worker_id: 'Worker',
  source_address: 'Source address',
  server_region: 'Region',
}
/** Filters that a value can be put into. */
const FILTERED = new Set(['credential', 'actor_id', 'worker_id'])

/** Whether one credential is looked at, and not several. */
export function isOneCredential({ credential }) {
  return credential !== undefined && !credential.endsWith('*')
}

/** Counts per credential, or of one credential by who and where. */
export function summaryView(summaries, state) {
  const title = isOneCredential(state) ? `Who accessed ${state.credential}` : 'Accessed credentials'
  return [el('h2', {}, title), ...summaries.map((summary) => section(summary, state))]
}

function section({ by, groups, truncated }, state) {
  const number = (name, title) => ({
    title,
    isNumber: true,
    cell: (group) => group[name].toLocaleString('en-US'),
    className: (group) => `number ${name === 'denials' && group[name] > 0 ? 'bad' : ''}`,
  })
  const columns = [
    { title: TITLES[by] ?? by, cell: ({ value }) => valueCell(by, value, state) },
    number('accesses', 'Accesses'),
    number('denials', 'Denied'),
    number('workers', 'Workers'),
    number('actors', 'Actors'),
    { title: 'First', cell: (group) => shortTime(group.first_access), className: () => 'time' },
    { title: 'Last', cell: (group) => shortTime(group.last_access), className: () => 'time' },
  ]
  if (groups.length === 0) return el('p', { class: 'quiet' }, 'No accesses in this window of time.')
  return el(
    'div',
    { class: 'scroll' },
    table(`Accesses by ${TITLES[by] ?? by}`, columns, groups),
    truncated
      ? el('p', { class: 'quiet' }, `The ${groups.length} with the most accesses are shown.`)
      : undefined,
  )
}

function valueCell(by, value, state) {
  if (value === null) return el('span', { class: 'quiet' }, 'unknown')
  if (!FILTERED.has(by)) return value
  const view = by === 'credential' ? 'summary' : ''
  return el('a', { href: hrefOf({ ...state, cursor: '', view, [by]: value }) }, value)
}

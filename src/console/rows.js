import { el, isBad, shortTime, table } from './dom.js'
import { hrefOf } from './state.js'

/** A page of rows. */
export function rowsView({ rows, next_cursor }, state) {
  const columns = [
    {
      title: 'Time (UTC)',
      cell: (row) => el('a', { href: hrefOf({ ...state, row: row.audit_id }) }, shortTime(row.occurred_at)),
      className: () => 'time',
    },
    {
      title: 'Credential',
      cell: ({ credential }) =>
        el('a', { href: hrefOf({ ...state, cursor: '', credential, view: 'summary' }) }, credential),
    },
    { title: 'Operation', cell: ({ operation }) => operation },
    {
      title: 'Outcome',
      cell: ({ outcome }) => outcome,
      className: ({ outcome }) => (isBad(outcome) ? 'bad' : ''),
    },
    { title: 'Who', cell: ({ actor_id, worker_id }) => actor_id ?? worker_id ?? '' },
    {
      title: 'Execution',
      cell: ({ execution_id: id }) =>
        id === null ? '' : el('a', { href: hrefOf({ execution_id: id, from: '2024-01-01' }) }, id),
    },
    { title: 'Region', cell: ({ server_region }) => server_region ?? '' },
  ]
  const first =
    state.cursor === undefined
      ? undefined
      : el('a', { class: 'button', href: hrefOf({ ...state, cursor: '' }) }, 'Newest')
  const older =
    next_cursor === null
      ? undefined
      : el('a', { class: 'button', href: hrefOf({ ...state, cursor: next_cursor }) }, 'Older')
  return [
    rows.length === 0
      ? el('p', { class: 'quiet' }, 'No rows match in this window of time.')
      : el('div', { class: 'scroll' }, table('Accesses, newest first', columns, rows)),
    el('div', { class: 'pager' }, first, older),
  ]
}

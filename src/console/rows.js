import { columnMenu, columnsOf } from './columns.js'
import { copyButton, el, scrolled, table } from './dom.js'
import { downloadMenu } from './download.js'
import { counted } from './format.js'
import { hrefOf } from './state.js'

/** A page of rows. `go` is told what the address is to be. */
export function rowsView({ rows, next_cursor }, state, go) {
  const first =
    state.cursor && el('a', { class: 'button', href: hrefOf({ ...state, cursor: '', row: '' }) }, 'Newest')
  const older =
    next_cursor !== null &&
    el('a', { class: 'button', href: hrefOf({ ...state, cursor: next_cursor, row: '' }) }, 'Older')
  const said =
    next_cursor === null && !state.cursor
      ? `${counted(rows.length, 'row')}, newest first`
      : `${counted(rows.length, 'row')} of this page, newest first`
  return [
    el(
      'div',
      { class: 'toolbar' },
      el('p', {}, said),
      columnMenu(state, go),
      downloadMenu(state),
      copyButton('Copy link', () => location.href),
    ),
    rows.length === 0
      ? empty(state)
      : scrolled(
          'Accesses',
          table('Accesses, newest first', columnsOf(state), rows, ({ audit_id: id }) => ({
            id: `row-${id}`,
            ...(id === state.row && { 'aria-current': 'true' }),
          })),
        ),
    el('div', { class: 'pager' }, ...[first, older].filter(Boolean)),
  ]
}

function empty(state) {
  return el(
    'div',
    { class: 'empty' },
    el('p', {}, 'No rows match in this window of time.'),
    el(
      'p',
      {},
      el(
        'a',
        { href: hrefOf({ ...state, cursor: '', row: '', from: '-30d', to: '' }) },
        'Look at the last 30 days',
      ),
      ' or ',
      el('a', { href: hrefOf({}) }, 'remove the filters'),
      state.own === 'include' ? '.' : '. Rows about the trail itself are hidden.',
    ),
  )
}

import { el, scrolled } from './dom.js'
import { count, minuteTime } from './format.js'
import { changed, filtersOf, FILTERS, hrefOf, literal } from './state.js'

const CELLS = 10_000
/** Of one table: more cannot be looked at. */
const MOST_ROWS = 100
const MOST_COLUMNS = 40
const ACROSS = ['actor_id', 'worker_id', 'service_name', 'source_address']
const SHADES = 5

/** Which actor accessed which credential, how often, and how often it was denied. */
export async function matrixView(state, read, signal) {
  const by = state.by ?? 'credential'
  const across = state.across ?? 'actor_id'
  const found = await read('/matrix', { ...filtersOf(state), by, across, limit: CELLS }, signal)
  const rows = totals(found.cells, 'value')
  const columns = totals(found.cells, 'other')
  return [
    el('h2', {}, `${FILTERS[by] ?? by} by ${(FILTERS[across] ?? across).toLowerCase()}`),
    el(
      'div',
      { class: 'toolbar' },
      el('p', { class: 'quiet' }, said(rows, columns, found)),
      el(
        'span',
        { class: 'segments', role: 'group', 'aria-label': 'Across' },
        ...ACROSS.map((name) =>
          el(
            'a',
            {
              class: 'button',
              href: changed(state, { across: name }),
              'aria-current': name === across ? 'true' : undefined,
            },
            FILTERS[name],
          ),
        ),
      ),
    ),
    rows.length === 0
      ? el('p', { class: 'empty' }, 'No accesses in this window of time.')
      : scrolled(
          'Who accessed what',
          grid(found, rows.slice(0, MOST_ROWS), columns.slice(0, MOST_COLUMNS), state),
        ),
  ]
}

function said(rows, columns, { truncated }) {
  const cut = [
    rows.length > MOST_ROWS && `the ${MOST_ROWS} rows with the most accesses`,
    columns.length > MOST_COLUMNS && `the ${MOST_COLUMNS} columns with the most accesses`,
    truncated && `the ${count(CELLS)} pairs with the most accesses`,
  ].filter(Boolean)
  const shown = `${count(rows.length)} × ${count(columns.length)}. The darker, the more accesses; denials are in brackets.`
  return cut.length === 0 ? shown : `${shown} Shown are ${cut.join(', and ')}.`
}

/** The values of one side, those with the most accesses first. */
function totals(cells, side) {
  const sums = new Map()
  for (const cell of cells) sums.set(cell[side], (sums.get(cell[side]) ?? 0) + cell.accesses)
  return [...sums].toSorted(([, a], [, b]) => b - a).map(([value, accesses]) => ({ value, accesses }))
}

function grid({ by, across, cells }, rows, columns, state) {
  const key = (value, other) => JSON.stringify([value, other])
  const byPair = new Map(cells.map((cell) => [key(cell.value, cell.other), cell]))
  const logs = cells.map(({ accesses }) => Math.log(accesses))
  const [fewest, most] = [Math.min(...logs), Math.max(...logs)]
  const shadeOf = ({ accesses }) =>
    1 + Math.round(((Math.log(accesses) - fewest) / (most - fewest || 1)) * (SHADES - 1))
  const link = (changes) =>
    hrefOf({ ...state, cursor: '', row: '', across: '', by: '', view: '', ...changes })
  const name = (value) => value ?? 'unknown'
  const filter = (column, value) => (value === null ? {} : { [column]: literal(column, value) })
  return el(
    'table',
    { class: 'matrix', 'aria-label': 'Who accessed what' },
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        el('th', { scope: 'col' }, FILTERS[by] ?? by),
        ...columns.map(({ value }) =>
          el('th', { scope: 'col' }, el('span', { title: name(value) }, name(value))),
        ),
        el('th', { scope: 'col', class: 'number' }, 'All'),
      ),
    ),
    el(
      'tbody',
      {},
      ...rows.map((row) =>
        el(
          'tr',
          {},
          el(
            'th',
            { scope: 'row' },
            el(
              'a',
              { href: link({ view: by === 'credential' ? 'summary' : '', ...filter(by, row.value) }) },
              name(row.value),
            ),
          ),
          ...columns.map((column) => {
            const cell = byPair.get(key(row.value, column.value))
            if (cell === undefined) return el('td', { class: 'heat-0' })
            const title = `${name(row.value)}, ${name(column.value)}: ${count(cell.accesses)} accesses, ${count(cell.denials)} denied, ${minuteTime(cell.first_access)} to ${minuteTime(cell.last_access)}`
            const href = link({ ...filter(by, row.value), ...filter(across, column.value) })
            const denied = cell.denials > 0 ? el('span', { class: 'bad' }, ` (${count(cell.denials)})`) : ''
            return el(
              'td',
              { class: `heat-${shadeOf(cell)}` },
              el('a', { href, title, 'aria-label': title }, count(cell.accesses), denied),
            )
          }),
          el('td', { class: 'number' }, count(row.accesses)),
        ),
      ),
    ),
  )
}

import { el, unknown } from './dom.js'
import { shortTime, zoneName } from './format.js'
import { isBad, swatch } from './outcomes.js'
import { changed, hrefOf, only } from './state.js'

const plain = (name, title, filter = name) => ({
  title,
  cell: (row, state) =>
    row[name] === null ? '' : el('a', { class: 'value', href: only(state, filter, row[name]) }, row[name]),
})

/** Every column there is, in the order in which they are shown. */
const COLUMNS = {
  time: {
    title: () => `Time (${zoneName()})`,
    cell: (row, state) =>
      el(
        'a',
        { href: hrefOf({ ...state, row: row.audit_id }), 'data-row': row.audit_id },
        shortTime(row.occurred_at),
      ),
    className: () => 'time',
  },
  credential: {
    title: 'Credential',
    cell: ({ credential }, state) =>
      el(
        'a',
        { href: changed(state, { credential, view: 'summary' }), title: 'Who accessed it' },
        credential,
      ),
  },
  operation: plain('operation', 'Operation'),
  outcome: { title: 'Outcome', cell: outcomeCell, className: ({ outcome }) => (isBad(outcome) ? 'bad' : '') },
  who: {
    title: 'Who',
    cell: (row, state) => {
      const name = ['actor_id', 'worker_id'].find((column) => row[column] !== null)
      return name === undefined
        ? unknown()
        : el('a', { class: 'value', href: only(state, name, row[name]) }, row[name])
    },
  },
  service: plain('service_name', 'Service'),
  source: plain('source_address', 'From'),
  worker: plain('worker_id', 'Worker'),
  actor_type: plain('actor_type', 'Actor type'),
  execution: {
    title: 'Execution',
    // Everything that it touched, whenever that was.
    cell: ({ execution_id: id }) =>
      id === null ? '' : el('a', { href: hrefOf({ execution_id: id, from: '2024-01-01' }) }, id),
  },
  parent: plain('parent_execution_id', 'Parent execution'),
  trace: plain('trace_id', 'Trace'),
  region: plain('server_region', 'Region'),
  broker: plain('broker_region', 'Broker region'),
  key: plain('kek_version', 'Key version'),
  instance: plain('service_instance_id', 'Instance'),
  notes: { title: 'Notes', cell: ({ notes }) => notes ?? '' },
  recorded: {
    title: () => `Recorded (${zoneName()})`,
    cell: (row) => shortTime(row.recorded_at),
    className: () => 'time',
  },
  id: { title: 'Audit id', cell: ({ audit_id: id }) => el('code', {}, id) },
}
const DEFAULT = ['time', 'credential', 'operation', 'outcome', 'who', 'service', 'source', 'execution']

function outcomeCell({ outcome, operation, attributes }, state) {
  const link = el('a', { class: 'value', href: only(state, 'outcome', outcome) }, swatch(outcome), outcome)
  if (operation !== 'audit_gap' || attributes === null) return link
  const { count, reason } = attributes
  return el('span', {}, link, ` ${[count, reason].filter((said) => said !== undefined).join(', ')}`)
}

const titleOf = ({ title }) => (typeof title === 'function' ? title() : title)

function chosen({ cols }) {
  const names = (cols ?? '').split(',').filter((name) => Object.hasOwn(COLUMNS, name))
  return names.length === 0 ? DEFAULT : Object.keys(COLUMNS).filter((name) => names.includes(name))
}

/** Names of columns in the address that there are not. */
export const unknownColumns = ({ cols }) =>
  (cols ?? '').split(',').filter((name) => name !== '' && !Object.hasOwn(COLUMNS, name))

/** The columns that the address says, for a table. */
export function columnsOf(state) {
  return chosen(state).map((name) => {
    const column = COLUMNS[name]
    return { title: titleOf(column), className: column.className, cell: (row) => column.cell(row, state) }
  })
}

/** What chooses the columns. `go` is told what the address is to be. */
export function columnMenu(state, go) {
  const names = chosen(state)
  const box = (name) =>
    el(
      'label',
      {},
      el('input', {
        type: 'checkbox',
        name,
        checked: names.includes(name),
        change: ({ target }) => {
          const next = Object.keys(COLUMNS).filter((one) =>
            one === name ? target.checked : names.includes(one),
          )
          const isDefault = next.join() === DEFAULT.join()
          go(hrefOf({ ...state, cols: isDefault || next.length === 0 ? '' : next.join(',') }))
        },
      }),
      ` ${titleOf(COLUMNS[name])}`,
    )
  return el(
    'details',
    { class: 'menu', id: 'columns' },
    el('summary', { class: 'button' }, 'Columns'),
    el('div', { class: 'sheet boxes' }, ...Object.keys(COLUMNS).map(box)),
  )
}

/** Filters in the order of the form, and what they are called. The first ones are always in sight. */
export const FILTERS = {
  credential: 'Credential',
  outcome: 'Outcome',
  actor_id: 'Actor',
  operation: 'Operation',
  service_name: 'Service',
  worker_id: 'Worker',
  source_address: 'Source address',
  execution_id: 'Execution',
  parent_execution_id: 'Parent execution',
  trace_id: 'Trace',
  server_region: 'Region',
  broker_region: 'Broker region',
  kek_version: 'Key version',
  actor_type: 'Actor type',
  service_instance_id: 'Instance',
  hours: 'Hours of the week',
}
export const FILTER_NAMES = Object.keys(FILTERS)
const WINDOW = ['from', 'to']
const VIEW = [
  'view',
  'own',
  'cursor',
  'row',
  'cols',
  'order',
  'by',
  'across',
  'within',
  'least',
  'at',
  'ended',
  'tz',
]
const KNOWN = [...FILTER_NAMES, ...WINDOW, ...VIEW]

/** Where a window begins that does not say. */
const DEFAULT_FROM = { summary: '-30d', matrix: '-92d', suspicious: '-7d' }
export const defaultFrom = ({ view = '' }) => DEFAULT_FROM[view] ?? '-24h'

/** What is looked at. All of it is in the address, so that it can be kept, sent and gone back to. */
export function readState(address = location.search) {
  const parameters = new URLSearchParams(address)
  return Object.fromEntries(
    KNOWN.flatMap((name) => {
      const value = parameters.get(name)
      return value === null || value === '' ? [] : [[name, value]]
    }),
  )
}

/** What the address says and this page does not understand. */
export function unknownIn(address = location.search) {
  return [...new Set(new URLSearchParams(address).keys())].filter((name) => !KNOWN.includes(name))
}

/** The address of a state. How times are written goes on from view to view. */
export function hrefOf(state) {
  const parameters = new URLSearchParams()
  const all = { tz: zone() === 'utc' ? '' : 'local', ...state }
  for (const name of KNOWN) if (all[name]) parameters.set(name, all[name])
  const query = parameters.toString()
  return query === '' ? '/' : `/?${query}`
}

/** The same view with other filters: from its first page on. */
export const changed = (state, changes) => hrefOf({ ...state, cursor: '', row: '', ...changes })

/** The filters of a state as parameters of a request. */
export function filtersOf(state) {
  const names = [...FILTER_NAMES, ...WINDOW].filter((name) => state[name])
  return {
    from: defaultFrom(state),
    own: state.own,
    ...Object.fromEntries(names.map((name) => [name, state[name]])),
  }
}

/** The filters of a state as they are kept from view to view. */
export const keptOf = (state) => ({ ...state, cursor: '', row: '', view: '', order: '' })

/** A value as a filter has it: a comma, and `!` at its beginning, are not meant as such. */
export function literal(name, value) {
  const text = value.replaceAll(/\\(?=[,!*\\ ]|$)|,/g, (special) => `\\${special}`).replace(/^!/, '\\!')
  return name === 'credential' ? text.replace(/\*$/, '\\*') : text
}

/** The address with only this value. */
export const only = (state, name, value) => changed(state, { [name]: literal(name, value) })

/** The address without this value. */
export function without(state, name, value) {
  const excluded = `!${literal(name, value)}`
  return changed(state, { [name]: state[name] ? `${state[name]},${excluded}` : excluded })
}

/** By what times are written: `utc`, or `local`. */
export const zone = () => (new URLSearchParams(location.search).get('tz') === 'local' ? 'local' : 'utc')

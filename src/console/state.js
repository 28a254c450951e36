/** Filters, in the order of the form. */
export const FILTERS = [
  'credential',
  'operation',
  'outcome',
  'execution_id',
  'worker_id',
  'actor_id',
  'from',
  'to',
]
const VIEW = ['view', 'cursor', 'row']
export const DEFAULT_FROM = '-24h'

/** What is looked at. All of it is in the address, so that it can be kept, sent and gone back to. */
export function readState() {
  const parameters = new URLSearchParams(location.search)
  return Object.fromEntries(
    [...FILTERS, ...VIEW].flatMap((name) => {
      const value = parameters.get(name)
      return value === null || value === '' ? [] : [[name, value]]
    }),
  )
}

/** The address of a state. */
export function hrefOf(state) {
  const parameters = new URLSearchParams()
  for (const name of [...FILTERS, ...VIEW]) if (state[name]) parameters.set(name, state[name])
  const query = parameters.toString()
  return query === '' ? '/' : `/?${query}`
}

/** The filters of a state as parameters of a request. */
export function filtersOf(state) {
  const filters = Object.fromEntries(FILTERS.filter((name) => state[name]).map((name) => [name, state[name]]))
  return { from: DEFAULT_FROM, ...filters }
}

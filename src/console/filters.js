import { byId, el } from './dom.js'
import { OPERATIONS, OUTCOMES } from './outcomes.js'
import { changed, defaultFrom, FILTER_NAMES, FILTERS, hrefOf, readState } from './state.js'
import { windowLinks } from './windows.js'

/** Always in sight; the others are behind "More filters". */
const FIRST = 4
const HINTS = {
  credential: 'orders-*, !orders-api',
  outcome: 'not-ok',
  operation: 'get_credential',
  hours: '!mo-fr 08:00-18:00 Europe/Berlin',
  actor_type: 'user, service',
}
const LISTS = { outcome: 'outcomes', operation: 'operations' }

const form = byId('filters')
const fields = [...FILTER_NAMES, 'from', 'to']

/** Makes the form. `go` is told what the address is to be. */
export function makeFilters(go) {
  FILTER_NAMES.forEach((name, i) => byId(i < FIRST ? 'first-filters' : 'more-filters').append(field(name)))
  for (const [id, names] of [
    ['outcomes', ['not-ok', ...OUTCOMES]],
    ['operations', OPERATIONS],
  ]) {
    byId(id).append(...names.map((value) => el('option', { value })))
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const values = Object.fromEntries(fields.map((name) => [name, inputOf(name).value.trim()]))
    const state = readState()
    // What the field shows when nothing was said is not said.
    if (values.from === defaultFrom(state) && state.from === undefined) values.from = ''
    go(changed(state, values))
  })
  byId('own').addEventListener('change', ({ target }) => {
    go(changed(readState(), { own: target.checked ? 'include' : '' }))
  })
}

function field(name) {
  const input = el('input', {
    name,
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: HINTS[name],
    list: LISTS[name],
  })
  return el('label', {}, FILTERS[name], ' ', input)
}

const inputOf = (name) => form.elements.namedItem(name)

/** Shows what the state says. */
export function fillIn(state) {
  for (const name of fields) {
    const input = inputOf(name)
    input.value = state[name] ?? (name === 'from' ? defaultFrom(state) : '')
    input.removeAttribute('aria-invalid')
    input.removeAttribute('aria-describedby')
  }
  byId('own').checked = state.own === 'include'
  byId('windows').replaceChildren(...windowLinks(state))
  byId('clear').href = hrefOf({ view: state.view })
  const used = FILTER_NAMES.filter((name) => state[name])
  byId('chips').replaceChildren(...used.map((name) => chip(state, name)))
  byId('chips').hidden = used.length === 0
  const more = used.filter((name) => FILTER_NAMES.indexOf(name) >= FIRST)
  byId('more').querySelector('summary').textContent =
    more.length === 0 ? 'More filters' : `More filters (${more.length})`
}

function chip(state, name) {
  const text = `${FILTERS[name]}: ${state[name]}`
  return el(
    'li',
    { class: 'chip' },
    el('span', {}, text),
    el('a', { href: changed(state, { [name]: '' }), 'aria-label': `Remove ${text}` }, '×'),
  )
}

/** Says which field is at fault. @returns whether there is one */
export function markInvalid(parameter) {
  const input = parameter === undefined ? null : inputOf(parameter)
  if (input === null) return false
  if (FILTER_NAMES.indexOf(parameter) >= FIRST) byId('more').open = true
  input.setAttribute('aria-invalid', 'true')
  input.setAttribute('aria-describedby', 'problem')
  return true
}

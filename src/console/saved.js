import { el } from './dom.js'
import { hrefOf, keptOf, readState } from './state.js'

const KEY = 'otel-audit:views'

/** What auditors ask, as links. */
const QUESTIONS = [
  ['Denied in the last 24 hours', { outcome: 'not-ok' }],
  ['Bursts of denials, and denied then granted', { view: 'suspicious' }],
  ['Outside office hours, 30 days', { hours: '!mo-fr 08:00-18:00 UTC', from: '-30d' }],
  ['First accesses, 90 days', { view: 'summary', order: 'newest', from: '-90d' }],
  ['Dormant credentials', { view: 'summary', order: 'dormant', from: '-400d' }],
  ['Who accessed what, this quarter', { view: 'matrix' }],
  ['Who read the trail', { view: 'summary', credential: 'secret_audit' }],
  ['Lost and withheld', { outcome: 'lost,withheld', from: '-90d' }],
  ['Chains that are not as they should be', { view: 'chains' }],
  ['What is not covered', { view: 'coverage' }],
]

/** A view of this browser's: its name, and the address behind the `?`. */
function stored() {
  try {
    const views = JSON.parse(localStorage.getItem(KEY) ?? '[]')
    return Array.isArray(views)
      ? views.filter(({ name, query }) => typeof name === 'string' && typeof query === 'string')
      : []
  } catch {
    return []
  }
}

function store(views) {
  localStorage.setItem(KEY, JSON.stringify(views))
}

/** Fills in the menu of saved views. */
export function fillSaved(menu) {
  const close = () => menu.removeAttribute('open')
  const views = stored()
  const own = views.map(({ name, query }, i) =>
    el(
      'li',
      {},
      el('a', { href: hrefOf(readState(query)), click: close }, name),
      el(
        'button',
        {
          type: 'button',
          'aria-label': `Remove ${name}`,
          click() {
            store(views.toSpliced(i, 1))
            fillSaved(menu)
          },
        },
        '×',
      ),
    ),
  )
  const input = el('input', {
    name: 'name',
    'aria-label': 'Name of this view',
    placeholder: 'Name of this view',
    required: true,
    maxlength: 80,
    autocomplete: 'off',
  })
  const form = el('form', { class: 'actions' }, input, el('button', { type: 'submit' }, 'Save'))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const query = hrefOf(keptWithView(readState())).slice(1)
    store([...views.filter(({ name }) => name !== input.value), { name: input.value, query }])
    fillSaved(menu)
  })
  menu
    .querySelector('.sheet')
    .replaceChildren(
      el('h2', {}, 'Questions'),
      el(
        'ul',
        {},
        ...QUESTIONS.map(([name, state]) =>
          el('li', {}, el('a', { href: hrefOf(state), click: close }, name)),
        ),
      ),
      el('h2', {}, 'Your views'),
      own.length === 0
        ? el(
            'p',
            { class: 'quiet' },
            'None yet. They are kept in this browser; the link of each can be sent.',
          )
        : el('ul', {}, ...own),
      form,
    )
}

/** Not which page, and not which row. */
function keptWithView(state) {
  return { ...keptOf(state), view: state.view, order: state.order }
}

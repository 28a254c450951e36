import { Problem, read, settings } from './api.js'
import { chart } from './chart.js'
import { unknownColumns } from './columns.js'
import { byId, present } from './dom.js'
import { fillIn, makeFilters, markInvalid } from './filters.js'
import { legend } from './legend.js'
import { closePanel, makePanel, showPanel } from './panel.js'
import { forgetRetired, retiredNotices } from './retired.js'
import { rowsView } from './rows.js'
import { fillSaved } from './saved.js'
import { askToSignIn, beginSession, forget, isSignedIn, showSession } from './session.js'
import { changed, filtersOf, hrefOf, keptOf, readState, unknownIn, zone } from './state.js'

const PAGE_ROWS = 50
const BUCKETS = 60
/** What each view is made by; those that are not asked for are not loaded. */
const VIEWS = {
  '': async () => showRows,
  summary: async () => (await import('./summary.js')).summaryView,
  matrix: async () => (await import('./matrix.js')).matrixView,
  suspicious: async () => (await import('./suspicious.js')).suspiciousView,
  chains: async () => (await import('./chains.js')).chainsView,
  coverage: async () => (await import('./coverage.js')).coverageView,
}
/** These are not about a window of time, and have no filters. */
const WITHOUT_FILTERS = ['chains', 'coverage']

const server = await settings()
/** What is being loaded ends when something else is wanted. */
let loading = new AbortController()
let drawn
/** When what is shown was read, and the address of it without a row. */
let shownAt
let shown

/** The same address again reads again. */
function go(href) {
  const isSame = new URL(href, location.href).href === location.href
  if (!isSame) history.pushState(null, '', href)
  void show(isSame)
}

/** Shows what the address says. Where only the row is another, only that is read. */
async function show(isAgain = false) {
  loading.abort()
  loading = new AbortController()
  const { signal } = loading
  const state = readState()
  const view = Object.hasOwn(VIEWS, state.view ?? '') ? (state.view ?? '') : ''
  fillIn(state)
  fillHead(state, view)
  say('')
  warn(notUnderstood(state, view))
  if (!isSignedIn()) return lockOut('')
  showSession()
  wait(true)
  try {
    const wanted = hrefOf({ ...state, row: '' })
    if (isAgain || wanted !== shown) {
      shown = undefined
      await Promise.all([showHistogram(state, view, signal), showResults(state, view, signal)])
      shown = wanted
      shownAt = new Date()
    }
    await showPanel(state, signal)
  } catch (error) {
    if (signal.aborted) return
    loading.abort()
    failed(error)
  }
  if (loading.signal === signal) wait(false)
}

async function showHistogram(state, view, signal) {
  if (WITHOUT_FILTERS.includes(view)) return showNotices([])
  const data = await read('/histogram', { ...filtersOf(state), buckets: BUCKETS }, signal)
  const box = byId('histogram')
  const had = box.contains(document.activeElement) && document.activeElement.closest('.plot') !== null
  const before = drawn
  drawn = chart(data, (from, to) => go(changed(readState(), { from, to })))
  box.replaceChildren(...drawn.elements, legend(data, state))
  before?.destroy()
  if (had) box.querySelector('.plot').focus()
  const notices = await retiredNotices(state, data)
  if (!signal.aborted) showNotices(notices)
}

function showNotices(notices) {
  byId('retired').replaceChildren(...notices)
  byId('retired').hidden = notices.length === 0
}

async function showResults(state, view, signal) {
  const make = await VIEWS[view]()
  const elements = await make(state, read, signal)
  if (signal.aborted) return
  byId('results').replaceChildren(...present(elements))
}

async function showRows(state, read, signal) {
  const { cursor } = state
  const page = await read('', { ...filtersOf(state), limit: PAGE_ROWS, cursor }, signal)
  return rowsView(page, state, go)
}

/** What was read before stays, marked as what it is. */
function failed(error) {
  wait(false)
  if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
    forget()
    return lockOut(error.message)
  }
  markInvalid(error instanceof Problem ? error.parameter : undefined)
  const isEmpty = byId('results').childElementCount === 0
  byId('main').classList.toggle('stale', !isEmpty)
  const message =
    error instanceof Problem ? error.message : `The server cannot be reached (${error.message}).`
  say(
    isEmpty
      ? message
      : `${message} What is shown below is of ${shownAt?.toISOString().slice(11, 19) ?? 'before'} UTC.`,
  )
}

/** Nobody who may not read sees what was read before. */
function lockOut(problem) {
  wait(false)
  shown = undefined
  closePanel()
  byId('histogram').replaceChildren()
  byId('results').replaceChildren()
  forgetRetired()
  showNotices([])
  askToSignIn(problem)
}

function wait(isWaiting) {
  const results = byId('results')
  byId('progress').hidden = !isWaiting
  if (isWaiting) results.setAttribute('aria-busy', 'true')
  else results.removeAttribute('aria-busy')
  byId('main').classList.toggle('loading', isWaiting)
  if (isWaiting) byId('main').classList.remove('stale')
}

function say(text) {
  byId('problem').textContent = text
  byId('retry').hidden = byId('problem-box').hidden = text === ''
}

function warn(text) {
  byId('warning').textContent = text
  byId('warning').hidden = text === ''
}

function notUnderstood(state, view) {
  const names = unknownIn()
  const columns = unknownColumns(state)
  return [
    names.length > 0 &&
      `The address says ${names.join(', ')}, which this page does not know: that is not applied.`,
    (state.view ?? '') !== view && `There is no view ${state.view}.`,
    columns.length > 0 && `There is no column ${columns.join(', ')}.`,
  ]
    .filter(Boolean)
    .join(' ')
}

function fillHead(state, view) {
  const hasFilters = !WITHOUT_FILTERS.includes(view)
  byId('filters').hidden = byId('histogram').hidden = !hasFilters
  for (const link of document.querySelectorAll('nav a')) {
    const { view: name } = link.dataset
    const isSame = name === view
    // A window that a view has of its own is not that of another.
    link.href = hrefOf({
      ...keptOf(state),
      view: name,
      by: '',
      across: '',
      within: '',
      least: '',
      at: '',
      ended: '',
    })
    if (isSame) {
      link.setAttribute('aria-current', 'page')
      link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.offsetLeft - 20
    }
    if (!isSame) link.removeAttribute('aria-current')
  }
  byId('zone').textContent = zone() === 'utc' ? 'UTC' : 'Local time'
  byId('zone').href = hrefOf({ ...state, tz: zone() === 'utc' ? 'local' : 'utc' })
  fillSaved(byId('saved'))
}

// Links of the console change what is shown, and not the page.
document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href]')
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
  if (!link || !isPlain || link.target !== '' || link.hasAttribute('download')) return
  if (link.origin !== location.origin || link.pathname !== '/' || link.hash !== '') return
  event.preventDefault()
  go(link.href)
})
// A menu closes when something else is clicked.
document.addEventListener('click', (event) => {
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(event.target)) menu.removeAttribute('open')
  }
})
document.addEventListener('keydown', ({ key, target }) => {
  const menu = key === 'Escape' ? target.closest?.('details.menu[open]') : null
  if (!menu) return
  menu.removeAttribute('open')
  menu.querySelector('summary').focus()
})
window.addEventListener('popstate', () => void show())
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawn?.redraw())
byId('retry').addEventListener('click', () => void show(true))

makeFilters(go)
makePanel({ traceUrl: server.traceUrl, go })
await beginSession(() => void show())
void show()

import { Problem, read, settings, token } from './api.js'
import { chainsView } from './chains.js'
import { coverageView } from './coverage.js'
import { detailView } from './detail.js'
import { histogram } from './histogram.js'
import { rowsView } from './rows.js'
import { DEFAULT_FROM, FILTERS, filtersOf, hrefOf, readState } from './state.js'
import { isOneCredential, OF_A_CREDENTIAL, summaryView } from './summary.js'

const PAGE_ROWS = 50
const GROUPS = 200
const BUCKETS = 60

const byId = (id) => document.getElementById(id)
const form = byId('filters')
const signIn = byId('sign-in')
const detail = byId('detail')
const server = await settings()
/** What is being loaded ends when something else is wanted. */
let loading = new AbortController()

function go(state) {
  history.pushState(null, '', hrefOf(state))
  void show()
}

/** Shows what the address says. */
async function show() {
  loading.abort()
  loading = new AbortController()
  const { signal } = loading
  const state = readState()
  fillIn(state)
  say('')
  if (token.get() === null) return askForToken('')
  byId('results').setAttribute('aria-busy', 'true')
  try {
    // One after another: what went wrong is said once, and each is a row of the trail.
    if (state.view === 'chains') await showChains(signal)
    else if (state.view === 'coverage') await showCoverage(signal)
    else {
      await showHistogram(state, signal)
      await (state.view === 'summary' ? showSummary(state, signal) : showRows(state, signal))
    }
    await showDetail(state, signal)
  } catch (error) {
    if (signal.aborted) return
    failed(error)
  } finally {
    if (!signal.aborted) byId('results').removeAttribute('aria-busy')
  }
}

async function showHistogram(state, signal) {
  const data = await read('/histogram', { ...filtersOf(state), buckets: BUCKETS }, signal)
  const zoom = (from, to) => go({ ...readState(), cursor: '', row: '', from, to })
  const had =
    document.activeElement?.closest('#histogram') !== null && document.activeElement !== document.body
  byId('histogram').replaceChildren(...histogram(data, zoom))
  if (had) byId('histogram').querySelector('.plot').focus()
}

async function showRows(state, signal) {
  const { cursor } = state
  const page = await read('', { ...filtersOf(state), limit: PAGE_ROWS, cursor }, signal)
  byId('results').replaceChildren(...rowsView(page, state))
}

async function showSummary(state, signal) {
  const summaries = []
  for (const by of isOneCredential(state) ? OF_A_CREDENTIAL : ['credential']) {
    summaries.push(await read('/summary', { ...filtersOf(state), limit: GROUPS, by }, signal))
  }
  byId('results').replaceChildren(...summaryView(summaries, state))
}

async function showChains(signal) {
  const found = await read('/chains', { limit: GROUPS }, signal)
  byId('results').replaceChildren(...chainsView(found))
}

async function showCoverage(signal) {
  const found = await read('/coverage', { limit: GROUPS }, signal)
  byId('results').replaceChildren(...coverageView(found))
}

async function showDetail({ row }, signal) {
  if (row === undefined) return detail.close()
  const found = await read(`/${encodeURIComponent(row)}`, {}, signal)
  detail.replaceChildren(...detailView(found, server.traceUrl).filter((child) => child !== undefined))
  if (!detail.open) detail.showModal()
  detail.scrollTop = 0
}

function failed(error) {
  if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
    token.clear()
    return askForToken(error.message)
  }
  const { parameter } = error
  form.elements.namedItem(parameter ?? '')?.setAttribute('aria-invalid', 'true')
  byId('histogram').replaceChildren()
  byId('results').replaceChildren()
  say(error.message)
}

function say(text) {
  byId('problem').textContent = text
  byId('problem').hidden = text === ''
}

function fillIn(state) {
  for (const name of FILTERS) {
    const input = form.elements.namedItem(name)
    input.value = state[name] ?? (name === 'from' ? DEFAULT_FROM : '')
    input.removeAttribute('aria-invalid')
  }
  // Chains and coverage have no filters.
  form.hidden = state.view === 'chains' || state.view === 'coverage'
  byId('histogram').hidden = form.hidden
  const { cursor: _, row: __, view: ___, ...filters } = state
  for (const [id, view] of [
    ['view-rows', ''],
    ['view-summary', 'summary'],
    ['view-chains', 'chains'],
    ['view-coverage', 'coverage'],
  ]) {
    byId(id).href = hrefOf({ ...filters, view })
    if ((state.view ?? '') === view) byId(id).setAttribute('aria-current', 'page')
    else byId(id).removeAttribute('aria-current')
  }
  byId('clear').href = hrefOf({ view: state.view })
  byId('sign-out').hidden = token.get() === null
}

function askForToken(problem) {
  byId('sign-in-problem').textContent = problem
  byId('histogram').replaceChildren()
  byId('results').replaceChildren()
  if (!signIn.open) signIn.showModal()
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const values = Object.fromEntries(FILTERS.map((name) => [name, form.elements.namedItem(name).value.trim()]))
  go({ ...values, view: readState().view })
})

signIn.addEventListener('close', () => {
  const input = signIn.querySelector('input')
  if (input.value === '') return
  token.set(input.value)
  input.value = ''
  void show()
})

byId('sign-out').addEventListener('click', () => {
  token.clear()
  void show()
})

detail.addEventListener('close', () => {
  const state = readState()
  if (state.row !== undefined) history.pushState(null, '', hrefOf({ ...state, row: '' }))
})

// Links of the console change what is shown, and not the page.
document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href]')
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
  if (!link || !isPlain || link.target !== '' || link.origin !== location.origin || link.hash !== '') return
  event.preventDefault()
  history.pushState(null, '', link.href)
  void show()
})
window.addEventListener('popstate', () => void show())

void show()

import { read } from './api.js'
import { byId } from './dom.js'
import { detailView } from './detail.js'
import { hrefOf, readState } from './state.js'

/** Narrower than this, the panel is the whole page, and nothing behind it can be reached. */
const NARROW = matchMedia('(max-width: 900px)')

const panel = byId('detail')
let traceUrl = null
let go = () => {}
/** The row that it was last asked for: where the focus goes when it is closed. */
let openedFrom

export function makePanel(given) {
  traceUrl = given.traceUrl
  go = given.go
  panel.addEventListener('cancel', (event) => {
    event.preventDefault()
    close()
  })
  document.addEventListener('keydown', (event) => {
    if (!panel.open || event.defaultPrevented || event.target.closest?.('input, details[open], .plot')) return
    if (event.key === 'Escape') return close()
    const to = { ArrowUp: 'newer', k: 'newer', ArrowDown: 'older', j: 'older' }[event.key]
    const isScrolling =
      event.key.startsWith('Arrow') && panel.contains(event.target) && event.target.tagName === 'PRE'
    if (to === undefined || isScrolling) return
    // Of the row that the address says: what the panel shows may not have come yet.
    const state = readState()
    const row = neighboursOf(state.row)[to]
    if (row === undefined) return
    event.preventDefault()
    go(hrefOf({ ...state, row }))
  })
  // Beside it is where nothing else is. Around a modal one is its own backdrop, which is a click on itself.
  document.addEventListener('click', (event) => {
    if (!panel.open) return
    const isBackdrop = event.target === panel && !isWithin(panel.getBoundingClientRect(), event)
    const isBeside =
      !panel.contains(event.target) &&
      !event.target.closest?.('a, button, input, label, summary, .plot, .sheet, td, dialog')
    if (isBackdrop || isBeside) close()
  })
}

function isWithin({ left, right, top, bottom }, { clientX, clientY }) {
  return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom
}

/** Lets the address say that there is no row any more, and gives the focus back to where it was. */
function close() {
  go(hrefOf({ ...readState(), row: '' }))
}

/** Shows the row that the address says, or none. */
export async function showPanel(state, signal) {
  const { row } = state
  mark(row)
  if (row === undefined) return closePanel()
  // Also when it is closed before the row has come.
  openedFrom = row
  const found = await read(`/${encodeURIComponent(row)}`, {}, signal)
  if (signal.aborted) return
  const isNew = !panel.open
  const hadFocus = panel.contains(document.activeElement)
  panel.replaceChildren(...detailView(found, state, traceUrl, neighboursOf(row), close))
  panel.scrollTop = 0
  if (isNew && NARROW.matches) panel.showModal()
  else if (isNew) panel.show()
  document.body.classList.toggle('has-panel', !NARROW.matches)
  if (isNew || hadFocus) panel.querySelector('h2').focus({ preventScroll: true })
}

export function closePanel() {
  if (!panel.open) return
  panel.close()
  panel.replaceChildren()
  document.body.classList.remove('has-panel')
  document.querySelector(`a[data-row="${CSS.escape(openedFrom ?? '')}"]`)?.focus()
}

/** Marks the row in the table, also when the table is not read again. */
function mark(row) {
  for (const one of document.querySelectorAll('tr[aria-current]')) one.removeAttribute('aria-current')
  byId(`row-${row}`)?.setAttribute('aria-current', 'true')
}

function neighboursOf(row) {
  const ids = [...document.querySelectorAll('#results tr[id^=row-]')].map(({ id }) => id.slice('row-'.length))
  const i = ids.indexOf(row)
  return i === -1 ? {} : { newer: ids[i - 1], older: ids[i + 1] }
}

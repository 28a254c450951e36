import { copyButton, el, present } from './dom.js'
import { evidenceSteps } from './evidence.js'
import { shortTime, zoneName } from './format.js'
import { isBad, swatch } from './outcomes.js'
import { FILTERS, hrefOf, only, without } from './state.js'

const TIMES = new Set(['occurred_at', 'recorded_at'])
/** Those that say what happened come before those that say where it is kept. */
const OF_THE_STORE = [
  'audit_id',
  'recorded_at',
  'event_digest',
  'original_audit_id',
  'chain_id',
  'block_no',
  'block_index',
]

/**
 * One row: how far it is proven, its trace, all that is known of it, its block.
 *
 * @param {{newer?: string, older?: string}} neighbours ids of the rows beside it on the page
 */
export function detailView({ row, evidence }, state, traceUrl, neighbours, close) {
  const known = Object.entries(row).filter(([, value]) => value !== null)
  const [ofStore, others] = [true, false].map((isOfStore) =>
    known.filter(([name]) => OF_THE_STORE.includes(name) === isOfStore),
  )
  return present([
    el(
      'div',
      { class: 'bar' },
      neighbour('Newer', '‹', state, neighbours.newer),
      neighbour('Older', '›', state, neighbours.older),
      copyButton('Copy link', () => location.href),
      copyButton('Copy JSON', () => JSON.stringify(row, undefined, 2)),
      el('button', { type: 'button', class: 'close', 'aria-label': 'Close', click: close }, '×'),
    ),
    // Else the first button gets the focus, and the title is not read.
    el(
      'h2',
      { id: 'detail-title', tabindex: -1, autofocus: true },
      `${row.credential}: `,
      el('span', { class: isBad(row.outcome) && 'bad' }, swatch(row.outcome), row.outcome),
    ),
    evidenceSteps(evidence),
    traceLink(row.trace_id, traceUrl),
    el('dl', {}, ...others.flatMap((entry) => term(entry, state))),
    el('h3', {}, 'Where it is kept'),
    el('dl', {}, ...ofStore.flatMap((entry) => term(entry, state))),
    ...(evidence?.block
      ? [
          el('h3', {}, 'Signed block'),
          el('pre', { tabindex: 0, role: 'region', 'aria-label': 'Signed block' }, evidence.block),
        ]
      : []),
    el('h3', {}, 'Proof for a third party'),
    el(
      'pre',
      { tabindex: 0, role: 'region', 'aria-label': 'Command' },
      `otel-audit verify --row ${row.audit_id} --proof row-${row.audit_id}.json`,
    ),
    el(
      'p',
      { class: 'quiet' },
      'The file proves the row without the database: otel-audit verify --proof FILE --trust FILE.',
    ),
  ])
}

function neighbour(label, sign, state, id) {
  const attributes = { class: 'button', 'aria-label': `${label} row`, title: `${label} row` }
  if (id === undefined) return el('span', { ...attributes, role: 'link', 'aria-disabled': 'true' }, sign)
  return el('a', { ...attributes, href: hrefOf({ ...state, row: id }) }, sign)
}

function term([name, value], state) {
  const text = typeof value === 'object' ? JSON.stringify(value, undefined, 2) : String(value)
  const shown = TIMES.has(name) ? `${shortTime(text)} ${zoneName()}` : text
  const filters = Object.hasOwn(FILTERS, name)
    ? [
        el(
          'a',
          { href: only(state, name, text), title: 'Only this', 'aria-label': `Only ${name} ${text}` },
          '=',
        ),
        el(
          'a',
          {
            href: without(state, name, text),
            title: 'Without this',
            'aria-label': `Without ${name} ${text}`,
          },
          '≠',
        ),
      ]
    : []
  return [
    el('dt', {}, name),
    el(
      'dd',
      {},
      el('span', { class: 'said-value' }, shown),
      ...(filters.length === 0 ? [] : [el('span', { class: 'acts' }, ...filters)]),
    ),
  ]
}

function traceLink(traceId, traceUrl) {
  if (traceId === null || !traceUrl) return undefined
  const href = traceUrl.replaceAll('{trace_id}', encodeURIComponent(traceId))
  if (!/^https?:$/.test(new URL(href, location.href).protocol)) return undefined
  return el('p', {}, el('a', { href, target: '_blank', rel: 'noopener noreferrer' }, 'Open its trace'))
}

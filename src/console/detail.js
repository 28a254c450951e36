import { el } from './dom.js'

/** One row: what verifying it found, its trace, all that is known, its block. */
export function detailView({ row, evidence }, traceUrl) {
  const known = Object.entries(row).filter(([, value]) => value !== null)
  return [
    // Else the first that can have the focus gets it: the block, with the mark scrolled out of sight.
    el('h2', { id: 'detail-title', tabindex: -1, autofocus: true }, `${row.credential}: ${row.outcome}`),
    mark(evidence),
    ...(evidence?.findings ?? []).map((finding) => el('p', { class: 'bad' }, finding)),
    traceLink(row.trace_id, traceUrl),
    el('dl', {}, ...known.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, written(value))])),
    ...(evidence?.block ? [el('h2', {}, 'Signed block'), el('pre', { tabindex: 0 }, evidence.block)] : []),
    el('form', { method: 'dialog' }, el('button', { type: 'submit' }, 'Close')),
  ]
}

/** Says what was computed by the server for this very row, and nothing else. */
function mark(evidence) {
  switch (evidence?.status) {
    case 'verified':
      // Anybody with rights on the tables can write a chain of his own that is as consistent.
      return evidence.vouched === false
        ? el('p', { class: 'mark quiet' }, '✓ consistent; signer not vouched for')
        : el('p', { class: 'mark good' }, '✓ verified')
    case 'not-verified':
      return el('p', { class: 'mark bad' }, '✗ not verified')
    case 'unsigned':
      return el('p', { class: 'mark quiet' }, 'unsigned: this row is in no block')
    default:
      return el('p', { class: 'mark quiet' }, 'not checked: this server does not verify rows')
  }
}

function traceLink(traceId, traceUrl) {
  if (traceId === null || !traceUrl) return undefined
  const href = traceUrl.replaceAll('{trace_id}', encodeURIComponent(traceId))
  if (!/^https?:$/.test(new URL(href, location.href).protocol)) return undefined
  return el('p', {}, el('a', { href, target: '_blank', rel: 'noopener noreferrer' }, 'Open its trace'))
}

function written(value) {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

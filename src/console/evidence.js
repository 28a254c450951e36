import { el } from './dom.js'

/** How sure one may be of a row, in three steps, and what each of them leaves open. */
export function evidenceSteps(evidence) {
  return el(
    'ol',
    { class: 'steps', 'aria-label': 'How far this row is proven' },
    ...[consistent, enrolled, anchored].map((step) => step(evidence)),
  )
}

function consistent(evidence) {
  const open =
    'Not proven: that the operator’s own software wrote the chain. Whoever may write to the tables can make one that is as consistent.'
  switch (evidence?.status) {
    case 'verified':
      return step('good', 'Consistent', 'The row is the one that its signed block names, in its place.', open)
    case 'not-verified':
      return step(
        'bad',
        'Not verified',
        'The row, its block or its chain contradict each other.',
        undefined,
        evidence.findings,
      )
    case 'unsigned':
      return step(
        'none',
        'Unsigned',
        'This row is in no block, so nothing about it can be proven.',
        undefined,
      )
    default:
      return step('none', 'Not checked', 'This server does not verify rows.', undefined)
  }
}

function enrolled(evidence) {
  const open = 'Not proven: that no row was removed. That takes otel-audit verify over the whole trail.'
  if (evidence?.status !== 'verified')
    return step('none', 'Enrolled: not checked', 'Only of a row that is consistent.', undefined)
  return evidence.vouched === true
    ? step('good', 'Enrolled', 'The operator’s enrolment key has signed the first block of the chain.', open)
    : step(
        'none',
        'Not vouched for',
        'No enrolment key that this server was given has signed the chain: see otel-audit serve --trust.',
        open,
      )
}

function anchored(evidence) {
  const open = 'Not proven: that the event took place as the service reported it.'
  if (evidence?.status !== 'verified')
    return step('none', 'Anchored: not checked', 'Only of a row that is consistent.', undefined)
  switch (evidence.anchored) {
    case true:
      return step(
        'good',
        'Anchored',
        'The trust file, which is kept outside of the database, names this block or a later one of the chain, and they agree.',
        open,
      )
    default:
      return step(
        'none',
        'Not anchored here',
        'No block from this one on is named outside of the database: compare with traces and logs by otel-audit verify --anchors.',
        open,
      )
  }
}

const MARKS = { good: '✓', bad: '✗', none: '–' }

function step(state, title, text, open, findings = []) {
  return el(
    'li',
    { class: `step ${state}` },
    el('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[state]),
    el(
      'div',
      {},
      el('strong', {}, title),
      el('p', {}, text),
      ...findings.map((finding) => el('p', { class: 'bad' }, finding)),
      ...(open === undefined ? [] : [el('p', { class: 'quiet' }, open)]),
    ),
  )
}

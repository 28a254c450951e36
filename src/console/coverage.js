import { el, shortTime, table } from './dom.js'

const STATES = {
  hooked: { text: 'hooked', className: 'good' },
  wire: { text: 'at the wire', className: 'good' },
  not_hooked: { text: 'not hooked', className: 'bad' },
  observed: { text: 'not held back', className: 'bad' },
}

/** Which secret clients of which services are audited, and how. */
export function coverageView({ at, clients, truncated }) {
  const columns = [
    {
      title: 'Service',
      cell: ({ service_name }) => service_name ?? el('span', { class: 'quiet' }, 'unknown'),
    },
    { title: 'Client', cell: ({ client }) => el('code', {}, client) },
    { title: 'Version', cell: ({ version }) => version ?? '' },
    {
      title: 'State',
      cell: ({ state }) => STATES[state]?.text ?? state,
      className: ({ state }) => STATES[state]?.className ?? '',
    },
    {
      title: 'Since (UTC)',
      cell: ({ since }) => (since === null ? 'unknown' : shortTime(since)),
      className: () => 'time',
    },
    {
      title: 'Processes',
      isNumber: true,
      cell: ({ processes }) => processes.toLocaleString('en-US'),
      className: () => 'number',
    },
    { title: 'Hook or reason', cell: ({ hook, reason }) => reason ?? hook ?? '' },
  ]
  return [
    el('h2', {}, 'Coverage'),
    el(
      'p',
      { class: 'quiet' },
      `What each process had said last about its secret clients, as of ${shortTime(at)}. Processes that have stopped are left out.`,
    ),
    clients.length === 0
      ? el('p', { class: 'quiet' }, 'No process has said how its secret clients are covered.')
      : el('div', { class: 'scroll' }, table('Coverage', columns, clients)),
    truncated ? el('p', { class: 'quiet' }, `The first ${clients.length} are shown.`) : undefined,
  ].filter((child) => child !== undefined)
}

import { el, shortTime, table } from './dom.js'

const STATES = {
  live: { text: 'live', className: 'good' },
  idle: { text: 'idle', className: '' },
  closed: { text: 'closed', className: '' },
  unclean: { text: 'ended uncleanly', className: 'bad' },
}

/** The chains of signed blocks: who writes, how much, and how each ended. */
export function chainsView({ chains, truncated }) {
  const number = (name, title) => ({
    title,
    isNumber: true,
    cell: (chain) => chain[name].toLocaleString('en-US'),
    className: (chain) => `number ${name === 'lost' && chain[name] > 0 ? 'bad' : ''}`,
  })
  const columns = [
    {
      title: 'Service',
      cell: ({ service_name }) => service_name ?? el('span', { class: 'quiet' }, 'unknown'),
    },
    { title: 'Instance', cell: ({ service_instance_id: id }) => id ?? '' },
    {
      title: 'State',
      cell: ({ state }) => STATES[state]?.text ?? state,
      className: ({ state }) => STATES[state]?.className ?? '',
    },
    { title: 'Enrolled', cell: enrolled, className: (chain) => (chain.enrolled === false ? 'bad' : '') },
    number('blocks', 'Blocks'),
    number('rows', 'Rows'),
    number('lost', 'Lost'),
    {
      title: 'Last block (UTC)',
      cell: ({ last_block_time: time }) => (time === null ? 'unknown' : shortTime(time)),
      className: () => 'time',
    },
    { title: 'Chain', cell: ({ chain_id }) => el('code', {}, chain_id) },
  ]
  return [
    el('h2', {}, 'Chains of signed blocks'),
    el('p', {}, counted(chains)),
    el(
      'p',
      { class: 'quiet' },
      'This is what each chain reports about itself. Only otel-audit verify shows whether anything was changed.',
    ),
    chains.length === 0
      ? el('p', { class: 'quiet' }, 'No chains yet: nothing has been signed.')
      : el('div', { class: 'scroll' }, table('Chains of signed blocks', columns, chains)),
    truncated ? el('p', { class: 'quiet' }, `The newest ${chains.length} are shown.`) : undefined,
  ].filter((child) => child !== undefined)
}

function enrolled(chain) {
  return chain.enrolled === null ? 'not checked' : chain.enrolled ? 'yes' : 'no'
}

/** `2 live, 1 ended uncleanly` */
function counted(chains) {
  return Object.entries(STATES)
    .map(([state, { text }]) => [chains.filter((chain) => chain.state === state).length, text])
    .filter(([count]) => count > 0)
    .map(([count, text]) => `${count} ${text}`)
    .join(', ')
}

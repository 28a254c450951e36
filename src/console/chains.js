import { el, scrolled, table } from './dom.js'
import { count, counted, shortTime, zoneName } from './format.js'
import { changed, hrefOf } from './state.js'

const LIMIT = 2000
const PAGE = 50
/** The worst first. */
const STATES = {
  unclean: { text: 'ended uncleanly', className: 'bad' },
  live: { text: 'live', className: 'good' },
  idle: { text: 'idle', className: '' },
  closed: { text: 'closed', className: 'quiet' },
}
const rankOf = ({ state, lost }) => (lost > 0 ? 0 : 1 + Object.keys(STATES).indexOf(state))

/** The chains of signed blocks by service: who writes, how much, and how each ended; what is wrong comes first. */
export async function chainsView(state, read, signal) {
  const { chains, truncated } = await read('/chains', { limit: LIMIT }, signal)
  const isAll = state.ended === 'all'
  const shown = isAll
    ? chains
    : chains.filter((chain) => chain.state !== 'closed' || chain.lost > 0 || chain.enrolled === false)
  const services = [...Map.groupBy(shown, (chain) => chain.service_name)]
    .map(([name, list]) => ({ name, list: list.toSorted((a, b) => rankOf(a) - rankOf(b)) }))
    .toSorted((a, b) => rankOf(a.list[0]) - rankOf(b.list[0]) || b.list.length - a.list.length)
  return [
    el('h2', {}, 'Chains of signed blocks'),
    el('ul', { class: 'tiles' }, ...tiles(chains)),
    el(
      'div',
      { class: 'toolbar' },
      el(
        'p',
        { class: 'quiet' },
        'This is what each chain reports about itself. Only otel-audit verify shows whether anything was changed.',
      ),
      el(
        'a',
        { class: 'button', href: changed(state, { ended: isAll ? '' : 'all' }) },
        isAll
          ? 'Hide those that ended in order'
          : `Show ${count(chains.length - shown.length)} that ended in order`,
      ),
    ),
    chains.length === 0 ? el('p', { class: 'empty' }, 'No chains yet: nothing has been signed.') : '',
    chains.length > 0 && shown.length === 0
      ? el('p', { class: 'empty' }, 'Every chain ended in order, without a loss.')
      : '',
    ...services.map((service) => section(service)),
    truncated
      ? el(
          'p',
          { class: 'quiet' },
          `The newest ${count(chains.length)} chains are shown: otel-audit verify reads all of them.`,
        )
      : '',
  ]
}

function tiles(chains) {
  const of = (state) => chains.filter((chain) => chain.state === state).length
  const lost = chains.reduce((sum, chain) => sum + chain.lost, 0)
  const strangers = chains.filter(({ enrolled }) => enrolled === false).length
  const isChecked = chains.some(({ enrolled }) => enrolled !== null)
  return [
    ...Object.entries(STATES).map(([state, { text }]) =>
      tile(count(of(state)), text, state === 'unclean' && of(state) > 0),
    ),
    tile(count(lost), 'events lost', lost > 0),
    tile(
      isChecked ? count(strangers) : '–',
      isChecked ? 'not enrolled' : 'enrolment not checked',
      strangers > 0,
    ),
  ]
}

function tile(number, text, isBad) {
  return el('li', { class: isBad && 'bad' }, el('b', {}, number), ` ${text}`)
}

function section({ name, list }) {
  const title = name ?? 'Service unknown'
  const columns = [
    { title: 'Instance', cell: instanceCell },
    {
      title: 'State',
      cell: ({ state }) => STATES[state]?.text ?? state,
      className: ({ state }) => STATES[state]?.className ?? '',
    },
    { title: 'Enrolled', cell: enrolled, className: (chain) => (chain.enrolled === false ? 'bad' : '') },
    ...['blocks', 'rows', 'lost'].map((key) => ({
      title: key[0].toUpperCase() + key.slice(1),
      isNumber: true,
      cell: (chain) => count(chain[key]),
      className: (chain) => (key === 'lost' && chain.lost > 0 ? 'bad' : ''),
    })),
    {
      title: `Last block (${zoneName()})`,
      cell: ({ last_block_time: time }) => (time === null ? 'unknown' : shortTime(time)),
      className: () => 'time',
    },
    { title: 'Chain', cell: ({ chain_id: id }) => el('code', {}, id) },
  ]
  const box = el('div', {})
  const show = (pages) => {
    const part = list.slice(0, pages * PAGE)
    const more = list.length - part.length
    box.replaceChildren(
      scrolled(`Chains of ${title}`, table(`Chains of ${title}`, columns, part)),
      more > 0
        ? el(
            'button',
            { type: 'button', click: () => show(pages + 1) },
            `Show ${count(Math.min(more, PAGE))} more of ${count(more)}`,
          )
        : '',
    )
  }
  show(1)
  return el(
    'section',
    { class: 'aligned chains-of' },
    el('h3', {}, title, ' ', el('span', { class: 'quiet' }, counted(list.length, 'chain'))),
    box,
  )
}

/** Leads to the rows of the process. */
function instanceCell({ service_instance_id: id, service_name: service, last_block_time: time }) {
  if (id === null || time === null) return id ?? ''
  const from = new Date(Date.parse(time) - 86_400_000).toISOString().slice(0, 10)
  return el(
    'a',
    { href: hrefOf({ own: 'include', service_instance_id: id, service_name: service ?? '', from }) },
    id,
  )
}

function enrolled(chain) {
  return chain.enrolled === null ? 'not checked' : chain.enrolled ? 'yes' : 'no'
}

import { el, shortTime, svg } from './dom.js'

const WIDTH = 1000
const HEIGHT = 120
const CLASSES = 7

/**
 * A histogram stacked by outcome. Drag over it, or choose with the arrow keys and Enter, to zoom.
 *
 * @param {(from: string, to: string) => void} zoom
 */
export function histogram(data, zoom) {
  const { buckets } = data
  const outcomes = outcomesOf(buckets)
  const highest = Math.max(1, ...buckets.map(({ total }) => total))
  const width = WIDTH / buckets.length
  const selection = svg('rect', { class: 'selection', y: 0, height: HEIGHT, width: 0 })
  const said = el('span', { 'aria-live': 'polite' }, hint(data))
  const plot = svg(
    'svg',
    {
      class: 'plot',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      tabindex: 0,
      role: 'group',
      'aria-label': 'Histogram. Arrow keys choose a time, with Shift a span of time, Enter zooms into it.',
    },
    ...buckets.flatMap((bucket, i) => bars(bucket, i, width, highest, outcomes)),
    selection,
  )

  let first = null
  let last = null
  const show = () => {
    const [from, to] = span()
    selection.setAttribute('x', String(from * width))
    selection.setAttribute('width', String((to - from + 1) * width))
    said.textContent = describe(buckets.slice(from, to + 1), endOf(to))
  }
  const span = () => [Math.min(first, last), Math.max(first, last)]
  const endOf = (i) => (i + 1 < buckets.length ? buckets[i + 1].from : data.to)
  const apply = () => {
    if (first === null) return
    const [from, to] = span()
    zoom(buckets[from].from, endOf(to))
  }
  const bucketAt = (event) => {
    const { left, width: pixels } = plot.getBoundingClientRect()
    const i = Math.floor(((event.clientX - left) / pixels) * buckets.length)
    return Math.max(0, Math.min(buckets.length - 1, i))
  }

  plot.addEventListener('pointerdown', (event) => {
    plot.setPointerCapture(event.pointerId)
    first = last = bucketAt(event)
    show()
  })
  plot.addEventListener('pointermove', (event) => {
    if (!plot.hasPointerCapture(event.pointerId)) return
    last = bucketAt(event)
    show()
  })
  plot.addEventListener('pointerup', apply)
  plot.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (event.key === 'Enter') return apply()
    if (step === undefined) return
    event.preventDefault()
    const next = last === null ? (step > 0 ? 0 : buckets.length - 1) : last + step
    last = Math.max(0, Math.min(buckets.length - 1, next))
    if (!event.shiftKey || first === null) first = last
    show()
  })

  return [
    plot,
    el(
      'div',
      { class: 'axis' },
      el('span', {}, shortTime(data.from)),
      el('span', {}, `${shortTime(data.to)} UTC`),
    ),
    el(
      'div',
      { class: 'caption' },
      said,
      el('button', { type: 'button', id: 'zoom-out', click: () => zoom(...wider(data)) }, 'Zoom out'),
    ),
    el('ul', { class: 'legend' }, ...legend(buckets, outcomes)),
  ]
}

/** `ok` at the bottom, the others by name. */
function outcomesOf(buckets) {
  const names = new Set(buckets.flatMap(({ outcomes }) => Object.keys(outcomes)))
  names.delete('ok')
  const others = [...names]
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((name, i) => [name, `o-${Math.min(i + 1, CLASSES)}`])
  return new Map([['ok', 'o-ok'], ...others])
}

function bars(bucket, i, width, highest, outcomes) {
  let y = HEIGHT
  return [...outcomes].flatMap(([outcome, className]) => {
    const count = bucket.outcomes[outcome] ?? 0
    if (count === 0) return []
    // What happened once in a million must still be seen.
    const height = Math.max(2, (count / highest) * (HEIGHT - 6))
    y -= height
    return [svg('rect', { class: className, x: i * width + width * 0.06, y, width: width * 0.88, height })]
  })
}

function legend(buckets, outcomes) {
  return [...outcomes].flatMap(([outcome, className]) => {
    const count = buckets.reduce((sum, bucket) => sum + (bucket.outcomes[outcome] ?? 0), 0)
    if (count === 0) return []
    const sample = svg(
      'svg',
      { viewBox: '0 0 10 10', 'aria-hidden': 'true' },
      svg('rect', { class: className, width: 10, height: 10 }),
    )
    return [el('li', {}, sample, `${outcome} ${count.toLocaleString('en-US')}`)]
  })
}

function hint({ buckets }) {
  const total = buckets.reduce((sum, bucket) => sum + bucket.total, 0)
  return `${total.toLocaleString('en-US')} rows. Drag to zoom.`
}

function describe(chosen, end) {
  const counts = new Map()
  for (const { outcomes } of chosen) {
    for (const [outcome, count] of Object.entries(outcomes))
      counts.set(outcome, (counts.get(outcome) ?? 0) + count)
  }
  const text = [...counts].map(([outcome, count]) => `${count.toLocaleString('en-US')} ${outcome}`).join(', ')
  return `${shortTime(chosen[0].from)} to ${shortTime(end)}: ${text || 'nothing'}`
}

/** Half as much again on both sides, up to now. */
function wider({ from, to }) {
  const length = Date.parse(to) - Date.parse(from)
  const end = Math.min(Date.parse(to) + length / 2, Math.max(Date.now(), Date.parse(to)))
  return [new Date(Math.max(0, Date.parse(from) - length / 2)).toISOString(), new Date(end).toISOString()]
}

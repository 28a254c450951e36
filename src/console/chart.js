import { el } from './dom.js'
import { count, minuteTime, shortTime, zoneName } from './format.js'
import { zone } from './state.js'
import { inOrder } from './outcomes.js'
import { painter } from './paint.js'
import { uPlot } from './vendor/uplot.js'
import { wider } from './windows.js'

const HEIGHT = 190
/** What happened once in a million must still be seen. In CSS pixels. */
const LEAST_HEIGHT = 2

/**
 * The histogram, stacked by outcome. Drag over it, or choose with the arrow keys and Enter, to zoom.
 *
 * @param {(from: string, to: string) => void} zoom
 */
export function chart(data, zoom) {
  const { buckets, bucket_seconds: width } = data
  const outcomes = inOrder(new Set(buckets.flatMap(({ outcomes: counts }) => Object.keys(counts))))
  const said = el('p', { class: 'said' }, hint(data))
  const spoken = el('p', { class: 'spoken', 'aria-live': 'polite' })
  const plot = el('div', {
    class: 'plot',
    tabindex: 0,
    role: 'group',
    'aria-label':
      'Histogram. Arrow keys choose a time, with Shift a span of time, Enter zooms into it, Escape lets go.',
  })
  const endOf = (i) => (i + 1 < buckets.length ? buckets[i + 1].from : data.to)
  const tell = (from, to) => describe(buckets.slice(from, to + 1), endOf(to))
  const bucketAt = (u, left) => {
    const seconds = u.posToVal(left, 'x') - Date.parse(buckets[0].from) / 1000
    return Math.max(0, Math.min(buckets.length - 1, Math.floor(seconds / width)))
  }
  const paint = painter(plot, outcomes, LEAST_HEIGHT)
  const u = new uPlot(
    options(plot, data, {
      draw: [(self) => paint(self, data)],
      setCursor: [
        ({ cursor: { left }, select }) => {
          const [from, to] = select.width < 3 ? [left, left] : [select.left, select.left + select.width - 1]
          said.textContent = left < 0 ? hint(data) : tell(bucketAt(u, from), bucketAt(u, to))
        },
      ],
      setSelect: [
        ({ select }) => {
          if (select.width < 3) return
          zoom(buckets[bucketAt(u, select.left)].from, endOf(bucketAt(u, select.left + select.width - 1)))
        },
      ],
    }),
    [buckets.map(({ from }) => Date.parse(from) / 1000), buckets.map(({ total }) => total)],
    plot,
  )

  byKeyboard(plot, buckets.length, {
    show(from, to) {
      const left = u.valToPos(Date.parse(buckets[from].from) / 1000, 'x')
      const right = u.valToPos(Date.parse(endOf(to)) / 1000, 'x')
      u.setSelect({ left, width: right - left, top: 0, height: u.over.clientHeight }, false)
      said.textContent = spoken.textContent = tell(from, to)
    },
    clear: () => u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false),
    apply: (from, to) => zoom(buckets[from].from, endOf(to)),
  })
  const fit = new ResizeObserver(() => {
    if (plot.clientWidth > 0) u.setSize({ width: plot.clientWidth, height: HEIGHT })
  })
  fit.observe(plot)
  return {
    elements: [
      plot,
      el(
        'div',
        { class: 'caption' },
        said,
        spoken,
        el('button', { type: 'button', id: 'zoom-out', click: () => zoom(...wider(data)) }, 'Zoom out'),
      ),
    ],
    outcomes,
    redraw: () => u.redraw(),
    destroy() {
      fit.disconnect()
      u.destroy()
    },
  }
}

function options(plot, data, hooks) {
  const color = (name) => () => getComputedStyle(plot).getPropertyValue(name)
  const axis = {
    stroke: color('color'),
    font: '12px system-ui, sans-serif',
    ticks: { stroke: color('border-top-color'), size: 4 },
  }
  const grid = { stroke: color('border-top-color'), width: 1 }
  const range = [data.buckets[0].from, data.to].map((time) => Date.parse(time) / 1000)
  return {
    width: plot.clientWidth || 800,
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
    tzDate: (seconds) =>
      zone() === 'utc' ? uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') : new Date(seconds * 1000),
    scales: {
      x: { time: true, range: () => range },
      y: { range: (_, __, most) => [0, Math.max(1, most) * 1.06] },
    },
    axes: [
      { ...axis, grid: { show: false }, values: timeLabels, space: 76, size: 40 },
      {
        ...axis,
        grid,
        size: 56,
        incrs: [1, 2, 5]
          .flatMap((n) => [0, 1, 2, 3, 4, 5, 6, 7, 8].map((e) => n * 10 ** e))
          .toSorted((a, b) => a - b),
        values: (_, splits) => splits.map(shortCount),
        space: 34,
      },
    ],
    // The bars are painted by the hook: uPlot knows their heights only for the scale.
    series: [{}, { paths: () => null, points: { show: false } }],
    hooks,
  }
}

/** `10:50`, with the day below it where it changes. */
function timeLabels(_, splits, __, ___, step) {
  let day = ''
  return splits.map((seconds) => {
    const time = shortTime(new Date(seconds * 1000).toISOString())
    const isNew = time.slice(0, 10) !== day
    day = time.slice(0, 10)
    if (step >= 28 * 86_400) return time.slice(0, 7)
    if (step >= 86_400) return time.slice(5, 10)
    const hour = step < 60 ? time.slice(11, 19) : time.slice(11, 16)
    return isNew ? `${hour}\n${time.slice(5, 10)}` : hour
  })
}

const shortCount = (n) => (n >= 1e6 ? `${n / 1e6}M` : n >= 1e4 ? `${n / 1e3}k` : count(n))

function byKeyboard(plot, length, { show, clear, apply }) {
  let first = null
  let last = null
  const span = () => [Math.min(first, last), Math.max(first, last)]
  plot.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && first !== null) return apply(...span())
    if (event.key === 'Escape' && first !== null) {
      first = last = null
      event.stopPropagation()
      return clear()
    }
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    const next = last === null ? (step > 0 ? 0 : length - 1) : last + step
    last = Math.max(0, Math.min(length - 1, next))
    if (!event.shiftKey || first === null) first = last
    show(...span())
  })
}

function hint({ buckets, from, to }) {
  const total = buckets.reduce((sum, bucket) => sum + bucket.total, 0)
  return `${count(total)} rows, ${minuteTime(from)} to ${minuteTime(to)} ${zoneName()}. Drag to zoom.`
}

function describe(chosen, end) {
  const counts = new Map()
  for (const { outcomes } of chosen) {
    for (const [outcome, n] of Object.entries(outcomes)) counts.set(outcome, (counts.get(outcome) ?? 0) + n)
  }
  const text = inOrder(counts.keys())
    .map((outcome) => `${count(counts.get(outcome))} ${outcome}`)
    .join(', ')
  return `${shortTime(chosen[0].from).slice(0, 19)} to ${shortTime(end).slice(0, 19)}: ${text || 'nothing'}`
}

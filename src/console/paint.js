import { swatch } from './outcomes.js'

/**
 * Paints the stacked bars of a plot.
 *
 * @param {HTMLElement} plot whose colours are those of the page
 * @param {readonly string[]} outcomes from the bottom to the top
 * @param {number} leastHeight of a part that is there, in CSS pixels
 */
export function painter(plot, outcomes, leastHeight) {
  return (u, { buckets, bucket_seconds: seconds }) => {
    const { ctx, bbox } = u
    const ratio = devicePixelRatio
    const fills = new Map(outcomes.map((outcome) => [outcome, fillOf(plot, outcome, ctx, ratio)]))
    const bottom = bbox.top + bbox.height
    const xOf = (time) => u.valToPos(time, 'x', true)
    const scale = bottom - u.valToPos(1, 'y', true) || 1
    ctx.save()
    ctx.beginPath()
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
    ctx.clip()
    for (const bucket of buckets) {
      const start = Date.parse(bucket.from) / 1000
      const [left, right] = [xOf(start), xOf(start + seconds)]
      const gap = Math.min(2 * ratio, (right - left) * 0.12)
      let y = bottom
      for (const [outcome, height] of heights(bucket.outcomes, outcomes, scale, leastHeight * ratio)) {
        y -= height
        ctx.fillStyle = fills.get(outcome)
        ctx.fillRect(
          Math.round(left + gap / 2),
          Math.round(y),
          Math.max(1, Math.round(right - left - gap)),
          Math.round(height),
        )
      }
    }
    ctx.restore()
  }
}

/** What is there is seen, and the bar is as high as it is many: what the small parts gain, the largest one loses. */
function heights(counts, outcomes, scale, least) {
  const parts = outcomes.flatMap((outcome) => (counts[outcome] ? [[outcome, counts[outcome] * scale]] : []))
  const gained = parts.reduce((sum, [, height]) => sum + Math.max(0, least - height), 0)
  const largest = Math.max(0, ...parts.map(([, height]) => height))
  return parts.map(([outcome, height]) => [
    outcome,
    Math.max(least, height === largest ? height - gained : height),
  ])
}

const TILE = 6

/** The colour and the texture that the legend has, which the style sheet decides. */
function fillOf(plot, outcome, ctx, ratio) {
  const probe = swatch(outcome)
  plot.append(probe)
  const { color, outlineColor: paper } = getComputedStyle(probe)
  const texture = Number(/t-(\d)/.exec(probe.className)?.[1])
  probe.remove()
  if (texture === 0) return color
  const size = TILE * ratio
  const tile = Object.assign(document.createElement('canvas'), { width: size, height: size })
  const pen = tile.getContext('2d')
  pen.fillStyle = color
  pen.fillRect(0, 0, size, size)
  pen.strokeStyle = pen.fillStyle = paper
  pen.lineWidth = size / 3.2
  stroke(pen, texture, size)
  return ctx.createPattern(tile, 'repeat')
}

function stroke(pen, texture, size) {
  if (texture === 3) return pen.fillRect(0, 0, size, size / 3)
  if (texture === 5) return pen.fillRect(0, 0, size / 3, size)
  pen.beginPath()
  if (texture === 4) {
    pen.arc(size / 2, size / 2, size / 3.4, 0, 7)
    return pen.fill()
  }
  // Beyond the edges, so that tiles join.
  for (const shift of [-size, 0, size]) {
    const [from, to] = texture === 1 ? [size + 1, -1] : [-1, size + 1]
    pen.moveTo(shift - 1, from)
    pen.lineTo(shift + size + 1, to)
  }
  pen.stroke()
}

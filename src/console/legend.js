import { el } from './dom.js'
import { count } from './format.js'
import { inOrder, swatch } from './outcomes.js'
import { changed } from './state.js'

/** What the colours mean, how often each is there; each shows only its outcome, or all of them again. */
export function legend({ buckets }, state) {
  const counts = new Map()
  for (const { outcomes } of buckets) {
    for (const [outcome, n] of Object.entries(outcomes)) counts.set(outcome, (counts.get(outcome) ?? 0) + n)
  }
  const chosen = (state.outcome ?? '').split(',').filter(Boolean)
  return el(
    'ul',
    { class: 'legend', 'aria-label': 'Legend' },
    ...inOrder(counts.keys()).map((outcome) => {
      const isOn = chosen.includes(outcome)
      const next = isOn
        ? chosen.filter((one) => one !== outcome)
        : [...chosen.filter((one) => !one.startsWith('!') && one !== 'not-ok'), outcome]
      return el(
        'li',
        {},
        el(
          'a',
          {
            href: changed(state, { outcome: next.join(',') }),
            'aria-current': isOn ? 'true' : undefined,
            title: isOn ? 'Show the others again' : `Show only ${outcome}`,
          },
          swatch(outcome),
          `${outcome} `,
          el('b', {}, count(counts.get(outcome))),
        ),
      )
    }),
  )
}

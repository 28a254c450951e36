import { type Condition, FAR, FLUSHES_MS, NETWORKS_MS } from './condition.js'
import type { BenchOptions } from './options.js'
import { type Tracing, TRACINGS } from './stand.js'

/** One comparison. */
interface Planned {
  readonly tracing: Tracing
  readonly condition: Condition
}

/** What is compared, in this order, nothing twice. */
export function plan({ parts, condition }: BenchOptions): readonly Planned[] {
  const own = TRACINGS.filter((tracing) => parts.includes(tracing)).map((tracing) => ({ tracing, condition }))
  const far: readonly Planned[] = parts.includes('far') ? [{ tracing: 'stock', condition: FAR }] : []
  const grid = parts.includes('grid') ? TRACINGS.flatMap(underAll) : []
  const all = [...own, ...far, ...grid]
  return [...new Map(all.map((planned) => [JSON.stringify(planned), planned])).values()]
}

function underAll(tracing: Tracing): readonly Planned[] {
  return NETWORKS_MS.flatMap((networkMs) =>
    FLUSHES_MS.map((flushMs) => ({ tracing, condition: { networkMs, flushMs } })),
  )
}

import { Trail, type TrailFilter } from 'otel-audit/query'
import { SeededRandom } from '../../soak/random.js'
import { CREDENTIALS, credentialOf } from '../query/fill.js'
import { kindsOf, windowIn } from '../query/kinds.js'
import { percentile } from '../statistics.js'
import type { FilledTrail } from './trails.js'

/** How long one kind of question took. */
export interface KindSpeed {
  readonly kind: string
  readonly p50_ms: number
  readonly p95_ms: number
  readonly max_ms: number
}

/** One way to ask. @returns the question, ready to be measured */
interface Question {
  readonly name: string
  readonly prepare: (trail: Trail, random: SeededRandom) => Promise<() => Promise<unknown>>
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Asks in every way so many times, the ways in turn. Each first time does not count. */
export async function measureReading(
  databaseUrl: string,
  filled: FilledTrail,
  { queries, seed }: { readonly queries: number; readonly seed: number },
  progress: (what: string) => void,
): Promise<KindSpeed[]> {
  const questions = questionsOf(filled)
  const random = new SeededRandom(seed)
  const times = new Map<string, number[]>(questions.map(({ name }) => [name, []]))
  const trail = new Trail({ databaseUrl })
  try {
    for (let done = -1; done < queries; done++) {
      if (done % 20 === 0) progress(`${done} of ${queries} queries of each kind are done`)
      for (const { name, prepare } of questions) {
        const ask = await prepare(trail, random)
        const began = performance.now()
        await ask()
        if (done >= 0) times.get(name)?.push(performance.now() - began)
      }
    }
  } finally {
    await trail.close()
  }
  return [...times].map(([kind, all]) => ({
    kind,
    p50_ms: percentile(all, 0.5),
    p95_ms: percentile(all, 0.95),
    max_ms: Math.max(...all),
  }))
}

/** Those of `bench:query`, and what a trail of years is asked besides. */
function questionsOf(filled: FilledTrail): Question[] {
  const { rows, credentials } = filled
  const pages = kindsOf(rows, filled, credentials).map(
    ({ name, depth, filter }): Question => ({
      name,
      prepare: async (trail, random) => {
        const asked = filter(random)
        const cursor = await cursorAt(trail, asked, depth)
        return () => trail.search({ ...asked, cursor })
      },
    }),
  )
  const page = (name: string, filter: (random: SeededRandom) => TrailFilter): Question => ({
    name,
    prepare: async (trail, random) => {
      const asked = filter(random)
      return () => trail.search(asked)
    },
  })
  const window = (random: SeededRandom) => windowIn(filled, random)
  const anyCredential = (random: SeededRandom): string => credentialOf(random.between(0, credentials - 1))
  return [
    ...pages,
    // Without a window: the rows may be in each of the months.
    page('credential_ever', (random) => ({ credential: anyCredential(random) })),
    page('credential_unknown', (random) => ({ credential: `unknown-${random.between(0, CREDENTIALS)}` })),
    page('window', window),
    page('prefix', (random) => ({ credential: `tenant-${random.between(0, 199)}/*`, ...window(random) })),
    {
      name: 'histogram_hour',
      prepare: async (trail, random) => {
        const to = filled.fromMs + random.next() * (filled.toMs - filled.fromMs)
        return () => trail.histogram({ from: new Date(to - HOUR_MS), to: new Date(to) })
      },
    },
    {
      name: 'histogram_day',
      prepare: async (trail) => () =>
        trail.histogram({ from: new Date(filled.toMs - DAY_MS), to: new Date(filled.toMs) }),
    },
    {
      name: 'summary_hour',
      prepare: async (trail, random) => {
        const to = filled.fromMs + random.next() * (filled.toMs - filled.fromMs)
        return () => trail.summary({ from: new Date(to - HOUR_MS), to: new Date(to) })
      },
    },
    {
      name: 'summary_credential',
      prepare: async (trail, random) => {
        const credential = anyCredential(random)
        return () => trail.summary({ credential, ...window(random) }, { by: 'actor_id' })
      },
    },
  ]
}

async function cursorAt(trail: Trail, filter: TrailFilter, depth: number): Promise<string | undefined> {
  let cursor: string | undefined
  for (let before = 0; before < depth; before++) {
    const page = await trail.search({ ...filter, cursor })
    if (page.next_cursor === null) throw new Error(`there is no page after ${before + 1} pages`)
    cursor = page.next_cursor
  }
  return cursor
}

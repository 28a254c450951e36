import { Trail, type TrailFilter } from 'otel-audit/query'
import { firstIdOf } from '../../src/event/snowflake.js'
import { SeededRandom } from '../../soak/random.js'
import { CREDENTIALS, credentialOf } from '../query/fill.js'
import { kindsOf, windowIn } from '../query/kinds.js'
import { CpuClock } from '../cpu.js'
import { percentile } from '../statistics.js'
import type { FilledTrail } from './trails.js'

/** How long one kind of question took. */
export interface KindSpeed {
  readonly kind: string
  readonly p50_ms: number
  readonly p95_ms: number
  readonly max_ms: number
  /** Of processor time, of this process and the server together: what others do on the machine is not in it. Linux only. */
  readonly cpu_p95_ms: number | undefined
}

/** One way to ask. @returns the question, ready to be measured */
interface Question {
  readonly name: string
  readonly prepare: (trail: Trail, random: SeededRandom) => Promise<() => Promise<unknown>>
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

interface ReadingExtent {
  /** Of each kind. */
  readonly queries: number
  readonly seed: number
  readonly postmaster: number
}

interface Took {
  readonly ms: number
  readonly cpuMs: number | undefined
}

/** Asks in every way so many times, the ways in turn. Each first time does not count. */
export async function measureReading(
  databaseUrl: string,
  filled: FilledTrail,
  { queries, seed, postmaster }: ReadingExtent,
  progress: (what: string) => void,
): Promise<KindSpeed[]> {
  const questions = questionsOf(filled)
  const random = new SeededRandom(seed)
  const cpu = new CpuClock(postmaster)
  const times = new Map<string, Took[]>(questions.map(({ name }) => [name, []]))
  const trail = new Trail({ databaseUrl })
  try {
    for (let done = -1; done < queries; done++) {
      if (done % 20 === 0) progress(`${done} of ${queries} queries of each kind are done`)
      for (const { name, prepare } of questions) {
        const ask = await prepare(trail, random)
        const took = await measured(cpu, ask)
        if (done >= 0) times.get(name)?.push(took)
      }
    }
  } finally {
    await trail.close()
  }
  return [...times].map(([kind, all]) => speedOf(kind, all))
}

async function measured(cpu: CpuClock, ask: () => Promise<unknown>): Promise<Took> {
  const used = cpu.start()
  const began = performance.now()
  await ask()
  const ms = performance.now() - began
  const { node, postgres } = used()
  return { ms, cpuMs: postgres && (node + postgres) / 1000 }
}

function speedOf(kind: string, all: readonly Took[]): KindSpeed {
  const times = all.map(({ ms }) => ms)
  const used = all.map(({ cpuMs }) => cpuMs).filter((ms) => ms !== undefined)
  return {
    kind,
    p50_ms: percentile(times, 0.5),
    p95_ms: percentile(times, 0.95),
    max_ms: Math.max(...times),
    cpu_p95_ms: used.length === 0 ? undefined : percentile(used, 0.95),
  }
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
    // What every other kind takes at least on a machine that does other things too.
    { name: 'one_row', prepare: async (trail) => () => trail.row(firstIdOf(filled.toMs)) },
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

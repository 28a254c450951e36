import { SeededRandom } from './random.js'

/**
 * Where a connection is cut. `now`: at once. `request`: in the middle of what the writer sends next. `answer`: when the
 * server answers what the writer sends next, so that the rows may be stored and the writer does not know. `mute`: the
 * same, but the connection falls silent and stays open for a while.
 */
export type Cut = 'now' | 'request' | 'answer' | 'mute'

/** One kill. Times are in ms. */
export type Kill = { readonly afterMs: number } & (
  | {
      /** SIGKILL. */
      readonly what: 'writer'
      /** Without waiting until the writer works. */
      readonly early: boolean
      /** `otel-audit spool drain` is started along with the next writer, and both go for what this one left. */
      readonly drain: boolean
    }
  | {
      /** `crash`: SIGKILL of the whole server. `freeze`: SIGSTOP of the whole server, and SIGCONT. */
      readonly what: 'crash' | 'freeze'
      readonly outageMs: number
    }
  | {
      /** `pg_terminate_backend` of all sessions of the writer. */
      readonly what: 'terminate'
    }
  | { readonly what: 'cut'; readonly cut: Cut; readonly muteMs: number }
)

/** Every ten kills are these, in an order that the seed decides. */
const TEN = [
  'writer',
  'writer',
  'writer',
  'writer',
  'crash',
  'freeze',
  'freeze',
  'terminate',
  'cut',
  'cut',
] as const

/** The kills of a seed, without an end. The same seed gives the same kills. */
export function* schedule(seed: number): Generator<Kill, never> {
  const random = new SeededRandom(seed)
  for (;;) {
    for (const what of random.shuffled(TEN)) {
      // Most kills meet a writer that is busy, some one that recovers from the kill before.
      const afterMs = random.between(50, 1200)
      switch (what) {
        case 'writer':
          yield { what, afterMs, early: random.next() < 0.2, drain: random.next() < 0.3 }
          break
        case 'crash':
          yield { what, afterMs, outageMs: random.between(0, 1200) }
          break
        case 'freeze':
          // Some shorter than the writer's patience with the server, some longer.
          yield { what, afterMs, outageMs: random.between(100, 2500) }
          break
        case 'terminate':
          yield { what, afterMs }
          break
        case 'cut':
          yield {
            what,
            afterMs,
            cut: random.pick(['now', 'request', 'answer', 'mute']),
            muteMs: random.between(100, 2000),
          }
          break
      }
    }
  }
}

/** For a person to read. */
export function describeKill(kill: Kill): string {
  switch (kill.what) {
    case 'writer':
      return `SIGKILL of the writer${kill.early ? ', perhaps while it starts' : ''}${kill.drain ? '; a drain' : ''}`
    case 'crash':
      return `SIGKILL of Postgres, away for ${kill.outageMs} ms`
    case 'freeze':
      return `SIGSTOP of Postgres, for ${kill.outageMs} ms`
    case 'terminate':
      return 'pg_terminate_backend'
    case 'cut':
      return kill.cut === 'mute' ? `connection silent for ${kill.muteMs} ms` : `connection cut (${kill.cut})`
  }
}

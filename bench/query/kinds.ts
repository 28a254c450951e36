import type { TrailFilter } from 'otel-audit/query'
import type { SeededRandom } from '../../soak/random.js'
import {
  CREDENTIALS,
  credentialOf,
  DENIED,
  executionOf,
  executionsOf,
  HOT_CREDENTIAL,
  RARE_OUTCOME,
  type Span,
} from './fill.js'

const HOUR_MS = 3_600_000
const LONGEST_WINDOW_HOURS = 30 * 24
/** Pages that are read before a deep one. */
const DEPTH = 20

/** One way to ask. */
export interface Kind {
  readonly name: string
  /** Pages that are followed, cursor by cursor, before the one that is measured. */
  readonly depth: number
  /** What is asked this time. */
  readonly filter: (random: SeededRandom) => TrailFilter
}

/**
 * @param rows that the trail was filled with, evenly over the span
 * @param credentials that they are about
 */
export function kindsOf(rows: number, span: Span, credentials = CREDENTIALS): readonly Kind[] {
  const window = (random: SeededRandom) => windowIn(span, random)
  const first = (name: string, filter: Kind['filter']): Kind => ({ name, depth: 0, filter })
  return [
    first('credential_hot', (random) => ({ credential: HOT_CREDENTIAL, ...window(random) })),
    first('credential_rare', (random) => ({
      credential: credentialOf(random.between(Math.ceil(credentials / 2), credentials - 1)),
      ...window(random),
    })),
    first('execution', (random) => ({
      execution_id: executionOf(random.between(0, executionsOf(rows) - 1)),
    })),
    first('outcome_denied', (random) => ({
      outcome: random.pick([...DENIED, 'not-ok']),
      ...(random.next() < 0.5 && window(random)),
    })),
    first('outcome_rare', (random) => ({
      outcome: RARE_OUTCOME,
      ...(random.next() < 0.5 && window(random)),
    })),
    first('first_page', () => ({})),
    { name: 'deep_page', depth: DEPTH, filter: (random) => ({ limit: random.between(50, 150) }) },
  ]
}

/** From an hour to thirty days, short ones as often as long ones, somewhere in the span. */
export function windowIn({ fromMs, toMs }: Span, random: SeededRandom): { from: Date; to: Date } {
  const length = HOUR_MS * LONGEST_WINDOW_HOURS ** random.next()
  const from = fromMs + random.next() * (toMs - fromMs - length)
  return { from: new Date(from), to: new Date(from + length) }
}

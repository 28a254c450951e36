import { KNOWN_OPERATIONS, KNOWN_OUTCOMES } from '../event/vocabulary.js'

/** Most operations, and most outcomes, that become label values in a process; the closed sets are among them. */
export const MAX_OPERATION_LABELS = 16
export const MAX_OUTCOME_LABELS = 32

/** The label of everything beyond the limit. */
const OTHER_LABEL = 'other'

/** Keeps the values of a metric label bounded: the known ones always, others first come, first served. */
export class LabelSet {
  readonly #limit: number
  readonly #values: Set<string>

  constructor(known: readonly string[], limit: number) {
    this.#values = new Set(known)
    this.#limit = limit
  }

  label(value: string): string {
    if (this.#values.has(value)) return value
    if (this.#values.size >= this.#limit) return OTHER_LABEL
    this.#values.add(value)
    return value
  }
}

export const operationLabels = (): LabelSet => new LabelSet(KNOWN_OPERATIONS, MAX_OPERATION_LABELS)
export const outcomeLabels = (): LabelSet => new LabelSet(KNOWN_OUTCOMES, MAX_OUTCOME_LABELS)

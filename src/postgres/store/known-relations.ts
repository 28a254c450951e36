import type { BatchEntry } from '../../contract/sink.js'
import type { FoundRelation } from './inspection.js'

/** Relations that a batch is stored in, and what they are like. */
export interface KnownSet {
  /** `pg_class.oid` of each. */
  readonly oids: readonly string[]
  /** What `shapeSql` says of all of them: the sum of what it says of each. */
  readonly shape: string
}

/** The ids that a partition takes: from `first` up to, but without, `end`. */
interface Range {
  readonly relation: FoundRelation
  readonly first: bigint
  readonly end: bigint
}

/** Where rows go in a store that was looked at. While the shape of a partition stays what it was, so do its bounds. */
export class KnownRelations {
  /** What each relation may be like, as `shapeSql` says it. */
  readonly shapes: readonly string[]
  /** Those that every batch needs. The identity is read at a connect. */
  readonly #always: readonly FoundRelation[]
  readonly #ranges: readonly Range[]
  /** Of the batches that lie in one partition, and of those without rows: by that partition. */
  readonly #sets = new Map<Range | undefined, KnownSet>()

  constructor(relations: readonly FoundRelation[]) {
    this.shapes = relations.map(({ shape }) => shape)
    this.#always = relations.filter(({ part }) => OF_EVERY_BATCH.has(part))
    this.#ranges = relations.flatMap((relation) => rangeOf(relation) ?? [])
  }

  /**
   * The relations that a batch is stored in.
   *
   * @param entries in ascending order of ids
   * @returns undefined when it is not known of every row
   */
  of(entries: readonly BatchEntry[]): KnownSet | undefined {
    const found: Range[] = []
    for (const { event } of entries) {
      const last = found.at(-1)
      if (last !== undefined && isIn(last, event.auditId)) continue
      const range = this.#ranges.find((one) => isIn(one, event.auditId))
      if (range === undefined) return undefined
      found.push(range)
    }
    if (found.length > 1) return this.#setOf(found)
    const [only] = found
    const known = this.#sets.get(only) ?? this.#setOf(found)
    this.#sets.set(only, known)
    return known
  }

  #setOf(ranges: readonly Range[]): KnownSet {
    const relations = [...this.#always, ...ranges.map(({ relation }) => relation)]
    return {
      oids: relations.map(({ oid }) => oid),
      shape: `${relations.reduce((sum, { shape }) => sum + BigInt(shape), 0n)}`,
    }
  }
}

const OF_EVERY_BATCH: ReadonlySet<FoundRelation['part']> = new Set(['rows', 'blocks', 'row type'])

const isIn = ({ first, end }: Range, id: bigint): boolean => first <= id && id < end

const BOUND = /^FOR VALUES FROM \((?:'(\d+)'|MINVALUE)\) TO \('(\d+)'\)$/

/** Nothing of one that is partitioned again, or takes what no other does. */
function rangeOf(relation: FoundRelation): Range | undefined {
  const { part, kind, bound } = relation
  const [match, first, end = ''] = BOUND.exec(bound ?? '') ?? []
  if (part !== 'partition' || kind !== 'r' || match === undefined) return undefined
  return { relation, first: BigInt(first ?? 0), end: BigInt(end) }
}

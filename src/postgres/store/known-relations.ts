import type { BatchEntry } from '../../contract/sink.js'
import type { FoundRelation } from './inspection.js'

/** The ids that a partition takes: from `first` up to, but without, `end`. */
interface Range {
  readonly oid: string
  readonly first: bigint
  readonly end: bigint
}

/** Where rows go in a store that was looked at. While the shape of a partition stays what it was, so do its bounds. */
export class KnownRelations {
  /** What each relation may be like, as `shapeSql` says it. */
  readonly shapes: readonly string[]
  /** `pg_class.oid` of those that every batch needs. The identity is read at a connect. */
  readonly #always: readonly string[]
  readonly #ranges: readonly Range[]

  constructor(relations: readonly FoundRelation[]) {
    this.shapes = relations.map(({ shape }) => shape)
    this.#always = relations.filter(({ part }) => OF_EVERY_BATCH.has(part)).map(({ oid }) => oid)
    this.#ranges = relations.flatMap((relation) => rangeOf(relation) ?? [])
  }

  /**
   * The relations that a batch is stored in.
   *
   * @param entries in ascending order of ids
   * @returns `pg_class.oid` of each; undefined when it is not known of every row
   */
  of(entries: readonly BatchEntry[]): readonly string[] | undefined {
    const found = [...this.#always]
    let range: Range | undefined
    for (const { event } of entries) {
      if (range !== undefined && isIn(range, event.auditId)) continue
      range = this.#ranges.find((one) => isIn(one, event.auditId))
      if (range === undefined) return undefined
      found.push(range.oid)
    }
    return found
  }
}

const OF_EVERY_BATCH: ReadonlySet<FoundRelation['part']> = new Set(['rows', 'blocks', 'row type'])

const isIn = ({ first, end }: Range, id: bigint): boolean => first <= id && id < end

const BOUND = /^FOR VALUES FROM \((?:'(\d+)'|MINVALUE)\) TO \('(\d+)'\)$/

/** Nothing of one that is partitioned again, or takes what no other does. */
function rangeOf({ oid, part, kind, bound }: FoundRelation): Range | undefined {
  const [match, first, end = ''] = BOUND.exec(bound ?? '') ?? []
  if (part !== 'partition' || kind !== 'r' || match === undefined) return undefined
  return { oid, first: BigInt(first ?? 0), end: BigInt(end) }
}

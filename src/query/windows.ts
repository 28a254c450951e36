import { performance, wallClock } from '../host/globals.js'
import { firstIdOf } from '../event/snowflake.js'
import { quotedSchema } from '../postgres/schema-name.js'
import { type Range, Values } from './conditions.js'
import type { Statements } from './statements.js'

/** A part of the trail. Windows have all ids together, and none twice, whatever partitions there are by now. */
export type IdWindow = Pick<Range, 'atLeast' | 'below'>

/**
 * A statement is planned for each partition that it may find rows in, and locks its table and indexes. Up to so many, one statement
 * for all of them is as fast as several for some.
 */
export const FEW_PARTITIONS = 32
/** Partitions of the first window besides those that have not begun; each window has this many times those of the one before. */
const FIRST_PARTITIONS = 2
const GROWTH = 4

const EVERYTHING: readonly IdWindow[] = [{}]

/**
 * From the newest rows to the oldest: small windows first, since the first ones mostly fill a page. A filter that finds nothing is
 * asked in four statements where there are 128 partitions.
 *
 * @param bounds where partitions begin, in ascending order
 * @param newest no row that is looked for is expected from here on; the first window has it all the same
 */
export function backwards(bounds: readonly bigint[], newest: bigint): readonly IdWindow[] {
  if (bounds.length <= FEW_PARTITIONS) return EVERYTHING
  const windows: IdWindow[] = []
  let below: bigint | undefined
  let size = FIRST_PARTITIONS
  for (let i = bounds.filter((bound) => bound <= newest).length - size; i > 0; i -= size) {
    const atLeast = bounds[i]
    windows.push({ atLeast, below })
    below = atLeast
    size *= GROWTH
  }
  return [...windows, { below }]
}

/** From the oldest rows to the newest, for what has to look into all partitions: so many at once. */
export function forwards(bounds: readonly bigint[]): readonly IdWindow[] {
  const windows: IdWindow[] = []
  let atLeast: bigint | undefined
  for (let i = FEW_PARTITIONS; i < bounds.length; i += FEW_PARTITIONS) {
    windows.push({ atLeast, below: bounds[i] })
    atLeast = bounds[i]
  }
  return [...windows, { atLeast }]
}

/** How long the list of partitions is good for, in ms: an old one only makes a worse window. */
const LISTED_FOR_MS = 60_000

/** Where the partitions of a trail begin. */
export class PartitionBounds {
  readonly #statements: Statements
  readonly #table: string
  #bounds: Promise<readonly bigint[]> | undefined
  #listedAt = -Infinity

  constructor(statements: Statements, schema: string) {
    this.#statements = statements
    this.#table = `${quotedSchema(schema)}.secret_audit`
  }

  /** For a page of a range. */
  async backwards({ below, to }: Range): Promise<readonly IdWindow[]> {
    const newest = firstIdOf(Math.min(wallClock(), to === undefined ? Infinity : Math.ceil(to / 1000)))
    return backwards(await this.#list(), below !== undefined && below < newest ? below : newest)
  }

  /** For what reads all of it. */
  async forwards(): Promise<readonly IdWindow[]> {
    return forwards(await this.#list())
  }

  #list(): Promise<readonly bigint[]> {
    if (this.#bounds !== undefined && performance.now() - this.#listedAt < LISTED_FOR_MS) return this.#bounds
    this.#listedAt = performance.now()
    const bounds = this.#read()
    this.#bounds = bounds
    bounds.catch(() => {
      this.#bounds = undefined
    })
    return bounds
  }

  async #read(): Promise<readonly bigint[]> {
    const values = new Values()
    values.add(this.#table, 'text')
    const rows = await this.#statements.query<{ first: string | null }>('bounds', {}, values)
    return rows
      .flatMap(({ first }) => (first === null ? [] : [BigInt(first)]))
      .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  }
}

import { firstIdOf } from '../event/snowflake.js'
import { performance, wallClock } from '../host/globals.js'
import { quotedSchema } from '../postgres/schema-name.js'
import { type IdWindow, type Range, Values } from './conditions.js'
import type { Statements } from './statements.js'
import { backwards, EVERYTHING, FEW_PARTITIONS, forwards, mayHave } from './windows.js'

/** How long the list of partitions is good for, in ms: an old one only makes worse windows. */
const LISTED_FOR_MS = 60_000
/** More partitions with displaced rows than this are not told apart in a statement. */
const MOST_PLACES = 16

interface Bounds {
  readonly first: string | null
  readonly end: string | null
}

/** The partitions of a trail, for statements that are about a part of them. */
export class PartitionList {
  readonly #statements: Statements
  readonly #table: string
  readonly #index: string
  #bounds: Promise<readonly bigint[]> | undefined
  #listedAt = -Infinity

  constructor(statements: Statements, schema: string) {
    this.#statements = statements
    this.#table = `${quotedSchema(schema)}.secret_audit`
    this.#index = `${quotedSchema(schema)}.secret_audit_displaced`
  }

  /**
   * Windows for a page of a range.
   *
   * @param isIndexed an index finds what is looked for in each partition, and it may be long ago. Where nothing bounds the ids that is
   *   one statement: a bound makes the planning of each partition dearer by a half. Measured with 128 partitions of which an old one
   *   has the row: 13 ms of the server, in two windows 19 ms
   */
  async backwards(range: Range, isIndexed: boolean): Promise<readonly IdWindow[]> {
    const { below, from, to } = range
    if (isIndexed && below === undefined && from === undefined && to === undefined) return EVERYTHING
    const now = firstIdOf(Math.min(wallClock(), to === undefined ? Infinity : Math.ceil(to / 1000)))
    const newest = below !== undefined && below < now ? below : now
    return backwards(await this.#list(), newest).filter((window) => mayHave(window, range))
  }

  /** Windows for what reads all of it. */
  async forwards(): Promise<readonly IdWindow[]> {
    return forwards(await this.#list())
  }

  /**
   * A range with where rows of it may be whose ids are far from their times, where that spares much: read anew each time, and after
   * the mark of a settled set, so that no row that was there is missed.
   */
  async placed(range: Range): Promise<Range> {
    if (range.from === undefined && range.to === undefined) return range
    if ((await this.#list()).length <= FEW_PARTITIONS) return range
    const values = new Values()
    values.add(this.#table, 'text')
    values.add(this.#index, 'text')
    const rows = await this.#statements.query<Bounds>('displaced', {}, values)
    if (rows.length > MOST_PLACES) return range
    const displacedIn = rows.map(({ first, end }) => ({ atLeast: idOf(first), below: idOf(end) }))
    return { ...range, displacedIn }
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
    const rows = await this.#statements.query<Pick<Bounds, 'first'>>('bounds', {}, values)
    return rows.flatMap(({ first }) => idOf(first) ?? []).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  }
}

function idOf(text: string | null): bigint | undefined {
  return text === null ? undefined : BigInt(text)
}

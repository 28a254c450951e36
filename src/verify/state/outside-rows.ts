import type { CheckedRow } from '../source.js'
import type { BlockPlace, IncrementalSource } from './incremental-source.js'

/** Rows that wait to be looked up. */
const MOST_WAITING = 20_000

/**
 * Rows in a range of ids that name a block which does not begin there. Where the block is there and reaches to the row, the row is held
 * against it with the range in which the block begins; each other one is refused.
 */
export class OutsideRows {
  readonly #source: IncrementalSource
  readonly #refuse: (row: CheckedRow) => void
  #waiting = new Map<string, CheckedRow[]>()
  #count = 0

  /** @param refuse told of each row whose block is not there, or does not reach so far */
  constructor(source: IncrementalSource, refuse: (row: CheckedRow) => void) {
    this.#source = source
    this.#refuse = refuse
  }

  get isFull(): boolean {
    return this.#count >= MOST_WAITING
  }

  take(row: CheckedRow): boolean {
    const key = `${row.chain} ${row.block}`
    const known = this.#waiting.get(key)
    if (known === undefined) this.#waiting.set(key, [row])
    else known.push(row)
    this.#count++
    return true
  }

  async lookUp(): Promise<void> {
    const waiting = this.#waiting
    if (waiting.size === 0) return
    this.#waiting = new Map()
    this.#count = 0
    const places = [...waiting.values()].flatMap(([row]) => placeOf(row))
    for (const { chainId, blockNo, minId, maxId } of await this.#source.blocksAt(places)) {
      const key = `${chainId} ${blockNo}`
      const rows = waiting.get(key) ?? []
      const refused = rows.filter(
        ({ auditId }) => minId === null || maxId === null || auditId < minId || auditId > maxId,
      )
      waiting.set(key, refused)
    }
    for (const rows of waiting.values()) for (const row of rows) this.#refuse(row)
  }
}

function placeOf(row: CheckedRow | undefined): BlockPlace[] {
  if (row?.chain == null || row.block === null) return []
  return [{ chain: row.chain, block: row.block }]
}

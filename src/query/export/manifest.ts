import { JSON } from '../../host/globals.js'
import type { TrailRow } from '../row.js'

/** What part of a chain is in an export. */
export interface CountedChain {
  readonly chain_id: string
  readonly first_block: string
  readonly last_block: string
  readonly rows: number
}

export interface ExportedChain extends CountedChain {
  /** `null` when the block is not there: the rows name one that nobody has signed. */
  readonly log: string | null
  /**
   * SHA-256 of the text of the last block, lower-case hex. Each block has the hash of the one before it, so this one stands
   * for all blocks of the rows, however many there are.
   */
  readonly last_block_hash: string | null
}

/** What an export is: kept beside it, and sufficient to see that the file is whole. */
export interface ExportManifest {
  readonly format: 'otel-audit/export/v1'
  readonly version: string
  /** When it was finished, RFC 3339. */
  readonly finished_at: string
  readonly file: string
  readonly media_type: string
  /** Of rows that were written in another schema than the trail's: its name, version and mapping, as `ocsf/1.6.0/1`. */
  readonly schema: string | null
  readonly bytes: number
  /** Of the file, lower-case hex. */
  readonly sha256: string
  /** The filter, its times resolved. */
  readonly filter: Readonly<Record<string, unknown>>
  /** The rows are those of transactions below this one, and foreign ones. */
  readonly mark: string
  /** The server that the mark is of, as `pg_control_system` has it. Null where that could not be asked. */
  readonly system: string | null
  /** The ids of the database and the table there that the mark is of: a restored table has others. */
  readonly table: string | null
  /** Rows that were committed when the export began, and are not in it: an older transaction was still open. */
  readonly unsettled: number
  /** Rows that another server or transaction wrote than the one they name, as after a restore. */
  readonly foreign: number
  readonly rows: number
  /** Largest and smallest id: the first and the last row of the file. */
  readonly first_audit_id: string | null
  readonly last_audit_id: string | null
  readonly outcomes: Readonly<Record<string, number>>
  /** Rows without a block. */
  readonly unsigned: number
  readonly chains: readonly ExportedChain[]
}

/** The filter of an export, from what is said of it: also whether it has rows of the trail about itself. */
export function exportedFilter(described: string, withoutOwn: boolean): ExportManifest['filter'] {
  return { ...(JSON.parse(described) as ExportManifest['filter']), own: withoutOwn ? 'exclude' : 'include' }
}

interface MutableChain {
  first: bigint
  last: bigint
  rows: number
}

/** The counts of a manifest, as far as an export has come. */
export interface Tally {
  readonly rows: number
  readonly first_audit_id: string | null
  readonly last_audit_id: string | null
  readonly outcomes: Readonly<Record<string, number>>
  readonly unsigned: number
  readonly foreign: number
  readonly chains: readonly CountedChain[]
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)

/** Counts rows as they are exported. */
export class Counter {
  #rows = 0
  #first: string | null = null
  #last: string | null = null
  #unsigned = 0
  #foreign = 0
  readonly #outcomes = new Map<string, number>()
  readonly #chains = new Map<string, MutableChain>()

  /** @param tally what was counted before an interruption */
  constructor(tally?: Tally) {
    if (tally === undefined) return
    this.#rows = tally.rows
    this.#first = tally.first_audit_id
    this.#last = tally.last_audit_id
    this.#unsigned = tally.unsigned
    this.#foreign = tally.foreign
    for (const [outcome, n] of Object.entries(tally.outcomes)) this.#outcomes.set(outcome, n)
    for (const { chain_id, first_block, last_block, rows } of tally.chains) {
      this.#chains.set(chain_id, { first: BigInt(first_block), last: BigInt(last_block), rows })
    }
  }

  addForeign(rows: number): void {
    this.#foreign += rows
  }

  add({ audit_id, outcome, chain_id, block_no }: TrailRow): void {
    this.#rows++
    this.#first ??= audit_id
    this.#last = audit_id
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
    if (chain_id === null || block_no === null) {
      this.#unsigned++
      return
    }
    const block = BigInt(block_no)
    const chain = this.#chains.get(chain_id)
    if (chain === undefined) {
      this.#chains.set(chain_id, { first: block, last: block, rows: 1 })
      return
    }
    if (block < chain.first) chain.first = block
    if (block > chain.last) chain.last = block
    chain.rows++
  }

  get tally(): Tally {
    return {
      rows: this.#rows,
      first_audit_id: this.#first,
      last_audit_id: this.#last,
      outcomes: Object.fromEntries([...this.#outcomes].sort(byName)),
      unsigned: this.#unsigned,
      foreign: this.#foreign,
      chains: [...this.#chains].sort(byName).map(([chain_id, { first, last, rows }]) => ({
        chain_id,
        first_block: String(first),
        last_block: String(last),
        rows,
      })),
    }
  }
}

import type { ChainStart } from '../../verify/chain-start.js'
import type { BlockColumns } from '../../chain/block-columns.js'
import { INT8_MAX } from '../../event/int8.js'
import type { BlockPlace, IncrementalSource } from '../../verify/state/incremental-source.js'
import type {
  CheckedRow,
  IdRange,
  RetentionRow,
  RowBlock,
  Selection,
  StoreAlteration,
  StoredLeaf,
} from '../../verify/source.js'
import type { Connection } from '../connection.js'
import { readSql } from '../sql-text.js'
import { readBlock, readRowBlock } from './copied-block.js'
import { Snapshot, type SnapshotOptions } from './snapshot.js'

const FILES = ['onwards', 'in-order', 'of-ids', 'row-blocks', 'places', 'extent'] as const

type Texts = Readonly<Record<(typeof FILES)[number], string>>

const NO_CHAIN = '0'.repeat(32)
const LAST_CHAIN = 'f'.repeat(32)

/** A snapshot of a trail of which parts are asked for. Needs the rights of the reader role. */
export class PartedSnapshot implements IncrementalSource {
  readonly #snapshot: Snapshot
  readonly #sql: Texts
  /** For look-ups while both of the others are busy. Opened when it is needed. */
  #beside: Promise<Connection> | undefined

  private constructor(snapshot: Snapshot, sql: Texts) {
    this.#snapshot = snapshot
    this.#sql = sql
  }

  /** @throws AuditError as {@link Snapshot.open} */
  static async open(options: SnapshotOptions): Promise<PartedSnapshot> {
    const texts = FILES.map(
      async (file) => [file, await readSql(`./parts-${file}.sql`, import.meta.url)] as const,
    )
    const sql = Object.fromEntries(await Promise.all(texts)) as Texts
    return new PartedSnapshot(await Snapshot.open(options), sql)
  }

  /** The snapshot itself, for what concerns the whole trail. */
  get whole(): Snapshot {
    return this.#snapshot
  }

  alterations(): Promise<readonly StoreAlteration[]> {
    return this.#snapshot.alterations()
  }

  trail(): Promise<string> {
    return this.#snapshot.trail()
  }

  blocks(selection: Selection): AsyncIterable<readonly BlockColumns[]> {
    return this.#snapshot.blocks(selection)
  }

  rowBlocks(selection: Selection): AsyncIterable<readonly RowBlock[]> {
    return this.#snapshot.rowBlocks(selection)
  }

  rows(range: IdRange, selection: Selection, expected?: number): AsyncIterable<readonly CheckedRow[]> {
    return this.#snapshot.rows(range, selection, expected)
  }

  retentionRows(from?: bigint): AsyncIterable<readonly RetentionRow[]> {
    return this.#snapshot.retentionRows(from)
  }

  chainStarts(): AsyncIterable<readonly ChainStart[]> {
    return this.#snapshot.chainStarts()
  }

  leaves(): AsyncIterable<readonly StoredLeaf[]> {
    return this.#snapshot.leaves()
  }

  async extent(): Promise<IdRange | undefined> {
    const read = (bytes: Buffer, at: number): IdRange | undefined =>
      bytes.readInt32BE(at) < 0
        ? undefined
        : { first: bytes.readBigInt64BE(at + 4), last: bytes.readBigInt64BE(at + 16) }
    // To its end: who stops before breaks the connection.
    const found: (IdRange | undefined)[] = []
    for await (const batch of this.#snapshot.copy(this.#sql.extent, {}, read)) found.push(...batch)
    return found[0]
  }

  blocksOnwards(known: readonly BlockPlace[]): AsyncIterable<readonly BlockColumns[]> {
    return this.#snapshot.copy(this.#sql.onwards, placesOf(known), readBlock)
  }

  blocksInOrder(
    after: BlockPlace | undefined,
    upTo: BlockPlace | undefined,
  ): AsyncIterable<readonly BlockColumns[]> {
    const values = {
      AFTER_CHAIN: `'${checked(after?.chain ?? NO_CHAIN)}'`,
      // Nothing has the smallest number of the smallest chain but what an attacker puts there, and then another block is missing.
      AFTER_NUMBER: `'${after?.block ?? -(2n ** 63n)}'`,
      LAST_CHAIN: `'${checked(upTo?.chain ?? LAST_CHAIN)}'`,
      LAST_NUMBER: `'${upTo?.block ?? INT8_MAX}'`,
    }
    return this.#snapshot.copy(this.#sql['in-order'], values, readBlock)
  }

  blocksOfIds(range: IdRange): AsyncIterable<readonly BlockColumns[]> {
    return this.#snapshot.copy(this.#sql['of-ids'], idsOf(range), readBlock)
  }

  rowBlocksOfIds(range: IdRange): AsyncIterable<readonly RowBlock[]> {
    return this.#snapshot.copy(this.#sql['row-blocks'], idsOf(range), readRowBlock)
  }

  async blocksAt(places: readonly BlockPlace[]): Promise<readonly BlockColumns[]> {
    this.#beside ??= this.#snapshot.openBeside()
    const found: BlockColumns[] = []
    const copied = this.#snapshot.copy(this.#sql.places, placesOf(places), readBlock, await this.#beside)
    for await (const batch of copied) found.push(...batch)
    return found
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#snapshot.close(), this.#beside?.then((session) => session.close())])
  }
}

/** COPY takes no parameters: numbers and hex digits are written into the text. */
function placesOf(places: readonly BlockPlace[]): { readonly CHAINS: string; readonly NUMBERS: string } {
  const known = places.filter(({ block }) => Number.isSafeInteger(block))
  return {
    CHAINS: `'{${known.map(({ chain }) => checked(chain)).join(',')}}'`,
    NUMBERS: `'{${known.map(({ block }) => block).join(',')}}'`,
  }
}

function idsOf({ first, last }: IdRange): { readonly FIRST: string; readonly LAST: string } {
  return { FIRST: `'${first}'::bigint`, LAST: `'${last}'::bigint` }
}

function checked(chain: string): string {
  if (!/^[0-9a-f]{32}$/.test(chain)) throw new TypeError('not the id of a chain')
  return chain
}

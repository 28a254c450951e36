import { wallClock } from '../host/globals.js'
import { BLOCK_COLUMNS, blockOfRow, boundedBlockSelect } from '../postgres/block-row.js'
import type { Trust } from '../verify/trust.js'
import { type ChainBlocks, type Chains, chainsOf, type ChainsOptions } from './chains.js'
import { Values } from './conditions.js'
import { vouchedFor } from './find.js'
import type { Statements } from './statements.js'
import { type StoredBlock, storedBlock } from './stored-block.js'

/** Reads chains by the first and the last block of each. */
export class ChainReader {
  readonly #statements: Statements

  constructor(statements: Statements) {
    this.#statements = statements
  }

  async chains(limit: number, options: ChainsOptions): Promise<Chains> {
    const rows = await this.#ends(String(limit + 1))
    return chainsOf(rows, limit, { trust: await this.#trustIn(options) }, wallClock())
  }

  /** Those of {@link vouchedFor}. */
  async vouchedFor(given: Trust): Promise<readonly string[]> {
    const trust = (await this.#trustIn({ trust: given })) ?? given
    const rows = await this.#ends('all')
    return vouchedFor(chainsOf(rows, rows.length, { trust }, wallClock()).chains, trust)
  }

  /** @returns undefined when there is none */
  async block(chainId: string, number: bigint): Promise<StoredBlock | undefined> {
    const values = new Values()
    values.add(chainId, 'uuid')
    values.add(number, 'bigint')
    const BLOCK = boundedBlockSelect('block')
    const [row] = await this.#statements.query<unknown[]>('block', { BLOCK }, values, 'array')
    return row === undefined ? undefined : storedBlock(blockOfRow(row))
  }

  async #ends(LIMIT: string): Promise<ChainBlocks[]> {
    const placeholders = { LAST: boundedBlockSelect('last'), FIRST: boundedBlockSelect('first'), LIMIT }
    const rows = await this.#statements.query<unknown[]>('chains', placeholders, new Values(), 'array')
    return rows.map(chainBlocks)
  }

  /** What nobody has said of the trail from elsewhere, the store says itself. */
  async #trustIn({ trust }: ChainsOptions): Promise<Trust | undefined> {
    if (trust === undefined || trust.enrolment.length === 0 || (trust.trails ?? []).length > 0) return trust
    const [identity] = await this.#statements.query<{ trail: string }>('identity')
    // A store that has lost its identity has no chain of its own.
    return { ...trust, trails: [identity?.trail ?? ''] }
  }
}

/** A row of `chains.sql`. */
function chainBlocks(row: readonly unknown[]): ChainBlocks {
  const hasGenesis = row[BLOCK_COLUMNS] !== null
  return { last: blockOfRow(row), genesis: hasGenesis ? blockOfRow(row, BLOCK_COLUMNS) : undefined }
}

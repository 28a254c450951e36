import type { ClientBase } from 'pg'
import type { BlockColumns } from '../chain/block-columns.js'
import { INT8_MIN } from '../event/int8.js'
import { FIELDS } from '../event/fields.js'
import { boundedBlockSelect } from '../postgres/block-row.js'
import type { Connection } from '../postgres/connection.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { readBlock, readRowBlock } from '../postgres/read/copied-block.js'
import { copyOut, type ReadTuple } from '../postgres/read/copy-out.js'
import { quoteIdentifier, quotedSchema } from '../postgres/schema-name.js'
import { openSession } from '../postgres/session.js'
import { readSql, renderSql } from '../postgres/sql-text.js'
import type { ChainStart } from '../verify/chain-start.js'
import type { LeafDigest } from '../verify/leaf-digests.js'
import type { RowBlock } from '../verify/source.js'
import { readStartTable } from './chain-start-table.js'
import { linesOfTuples, type RowLine } from './row-line.js'

/** A partition of the trail: one that is attached, or was. */
export interface PartitionRange {
  readonly name: string
  /** Undefined: no lower bound. */
  readonly from: bigint | undefined
  readonly to: bigint
}

/** A block that has rows in the partition, and elsewhere. */
export interface Straddling {
  readonly chain: string
  readonly block: number
  readonly minId: bigint
  readonly maxId: bigint
}

const FILES = ['archive-rows', 'archive-blocks', 'archive-straddling', 'archive-outside'] as const
type Texts = Readonly<Record<(typeof FILES)[number], string>>

const EVENT = FIELDS.map(({ column }) => column).join(', ')

/** One snapshot of the trail, from which partitions are archived. Needs the rights of its owner. */
export class PartitionReader {
  readonly #connection: Connection
  readonly #schema: string
  readonly #sql: Texts

  private constructor(connection: Connection, schema: string, sql: Texts) {
    this.#connection = connection
    this.#schema = schema
    this.#sql = sql
  }

  static async open(databaseUrl: DatabaseUrl, schema: string): Promise<PartitionReader> {
    const texts = FILES.map(async (file) => [file, await readSql(`./${file}.sql`, import.meta.url)] as const)
    const sql = Object.fromEntries(await Promise.all(texts)) as Texts
    const connection = await openSession('verify', { databaseUrl, applicationName: 'otel-audit archive' })
    try {
      await connection.run((client) => client.query('begin isolation level repeatable read, read only'))
      return new PartitionReader(connection, schema, sql)
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  /** Where chains begin whose first blocks were retired. */
  starts(): Promise<readonly ChainStart[]> {
    return this.ask((client) => readStartTable(client, this.#schema))
  }

  /** Asks in the same snapshot. Not while a stream of it is read. */
  ask<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    return this.#connection.run(work)
  }

  /** In ascending order of ids. */
  rows({ name }: PartitionRange): AsyncIterable<readonly RowLine[]> {
    const RELATION = `${quotedSchema(this.#schema)}.${quoteIdentifier(name)}`
    return this.#copy('archive-rows', { EVENT, RELATION }, linesOfTuples())
  }

  /**
   * The blocks of all chains up to a partition, chain by chain.
   *
   * @param known the last block of each chain that is archived already
   */
  blocks({ to }: PartitionRange, known: ReadonlyMap<string, bigint>): AsyncIterable<readonly BlockColumns[]> {
    const [COLUMNS, ORDER, WHERE] = [boundedBlockSelect('block'), 'block.chain_id, block.block_no', 'true']
    return this.#copy('archive-blocks', { COLUMNS, ORDER, WHERE, TO: id(to), KNOWN: pairs(known) }, readBlock)
  }

  /** Those of {@link blocks} that have rows, in ascending order of their smallest ids. */
  rowBlocks({ to }: PartitionRange, known: ReadonlyMap<string, bigint>): AsyncIterable<readonly RowBlock[]> {
    const COLUMNS = 'block.chain_id, block.block_no, block.min_id, block.max_id, block.row_count, block.root'
    const [ORDER, WHERE] = ['block.min_id', 'block.min_id is not null and block.max_id is not null']
    return this.#copy(
      'archive-blocks',
      { COLUMNS, ORDER, WHERE, TO: id(to), KNOWN: pairs(known) },
      readRowBlock,
    )
  }

  async straddling({ from = INT8_MIN, to }: PartitionRange): Promise<readonly Straddling[]> {
    const found: Straddling[] = []
    const read: ReadTuple<Straddling> = (bytes, at) => ({
      chain: bytes.toString('hex', at + 4, at + 20),
      block: Number(bytes.readBigInt64BE(at + 24)),
      minId: bytes.readBigInt64BE(at + 36),
      maxId: bytes.readBigInt64BE(at + 48),
    })
    for await (const batch of this.#copy('archive-straddling', { FROM: id(from), TO: id(to) }, read)) {
      found.push(...batch)
    }
    return found
  }

  /** Digests of the rows of such blocks that are not in the partition. */
  outside(
    { name, from = INT8_MIN, to }: PartitionRange,
    blocks: readonly Straddling[],
  ): AsyncIterable<readonly LeafDigest[]> {
    const FIRST = blocks.reduce((least, { minId }) => (minId < least ? minId : least), blocks[0]?.minId ?? 0n)
    const LAST = blocks.reduce((most, { maxId }) => (maxId > most ? maxId : most), blocks[0]?.maxId ?? 0n)
    const values = {
      CHAINS: `'{${blocks.map(({ chain }) => chain).join(',')}}'::uuid[]`,
      BLOCKS: `'{${blocks.map(({ block }) => block).join(',')}}'::bigint[]`,
      FIRST: id(FIRST),
      LAST: id(LAST),
      FROM: id(from),
      TO: id(to),
      PARTITION: `'${name.replaceAll("'", "''")}'`,
    }
    return this.#copy('archive-outside', values, (bytes, at) => ({
      chain: bytes.toString('hex', at + 4, at + 20),
      block: Number(bytes.readBigInt64BE(at + 24)),
      index: bytes.readInt32BE(at + 36),
      digest: Buffer.from(bytes.subarray(at + 44, at + 76)),
    }))
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  #copy<T>(
    file: (typeof FILES)[number],
    values: Readonly<Record<string, string>>,
    read: ReadTuple<T>,
  ): AsyncIterable<readonly T[]> {
    return copyOut(this.#connection, renderSql(this.#sql[file], this.#schema, values), read)
  }
}

/** COPY takes no parameters. */
function id(value: bigint): string {
  return `'${value}'::bigint`
}

function pairs(known: ReadonlyMap<string, bigint>): string {
  return `'{${[...known.keys()].join(',')}}'::uuid[], '{${[...known.values()].join(',')}}'::bigint[]`
}

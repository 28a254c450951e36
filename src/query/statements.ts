import type { Reader } from '../postgres/read/pool.js'
import { readSql, renderSql } from '../postgres/sql-text.js'
import { Values } from './conditions.js'

const FILES = [
  'bounds',
  'displaced',
  'page',
  'few',
  'mark',
  'unsettled',
  'store',
  'identity',
  'matching',
  'histogram',
  'summary',
  'matrix',
  'bursts',
  'reversals',
  'chains',
  'block',
  'covered',
  'coverage',
  'find-first',
  'find-dormant',
  'find-not-enrolled',
  'may-see-retired',
  'retired',
] as const

export type StatementName = (typeof FILES)[number]
export type Placeholders = Readonly<Record<string, string>>
type Texts = Readonly<Record<StatementName, string>>

/** The statements of the folder, read when the first of them is needed, and run on one trail. */
export class Statements {
  readonly #reader: Reader
  readonly #schema: string
  #texts: Promise<Texts> | undefined

  constructor(reader: Reader, schema: string) {
    this.#reader = reader
    this.#schema = schema
  }

  /** The text of one, to be run or to be part of another one. */
  async text(name: StatementName, placeholders: Placeholders = {}): Promise<string> {
    this.#texts ??= readAll()
    return renderSql((await this.#texts)[name], this.#schema, placeholders)
  }

  /** @param rowMode `array`: rows are arrays, where two columns have one name */
  async query<Row extends object>(
    name: StatementName,
    placeholders: Placeholders = {},
    values: Values = new Values(),
    rowMode?: 'array',
  ): Promise<Row[]> {
    return this.run<Row>(await this.text(name, placeholders), values, rowMode)
  }

  /** One that was put together. */
  run<Row extends object>(text: string, values: Values, rowMode?: 'array'): Promise<Row[]> {
    return this.#reader.query<Row>(text, values.list, rowMode)
  }
}

async function readAll(): Promise<Texts> {
  const texts = await Promise.all(FILES.map((name) => readSql(`./${name}.sql`, import.meta.url)))
  return Object.fromEntries(FILES.map((name, i) => [name, texts[i]])) as Texts
}

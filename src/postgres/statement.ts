import type { QueryConfig } from 'pg'
import { BadAnswer, type Message, type Wire } from './wire.js'

export type Row = Record<string, unknown> | unknown[]

/** What a statement gave. */
export interface Result {
  readonly rows: readonly Row[]
  /** What the server says that it did: `SELECT 1`. */
  readonly tag: string
}

/** A statement, as `query` of a client takes it. */
export interface StatementConfig extends QueryConfig {
  readonly rowMode?: string | undefined
  /** It must be a transaction of its own: neither begun in one that is open, nor answered from within one. */
  readonly alone?: boolean
  /**
   * It is not asked what its columns are: rows come as arrays of text. For statements of ours that are sent again and
   * again, with a name. To describe it would take 3 µs of the server and as much of ours (2026-11-29).
   */
  readonly isUndescribed?: boolean
}

/**
 * How our sessions read values: text, but for these types. The parsers of `pg` are one table for the whole process, and
 * applications change it; 64-bit integers as JavaScript numbers would round audit ids.
 */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't', // boolean
  17: (text) => Buffer.from(text.slice(2), 'hex'), // bytea
  23: Number, // int4
}

interface Field {
  readonly name: string
  readonly dataTypeID: number
  readonly format: string
}

/** Which message is expected next. */
type Step = 'parse' | 'bind' | 'describe' | 'rows' | 'ready'

/**
 * One statement of a {@link Request}, and the answer to it. With a name or values, or beside others, it is prepared,
 * bound, described and executed:
 *
 * ```
 * [ParseComplete] BindComplete (RowDescription DataRow* | NoData) (CommandComplete | EmptyQueryResponse)
 * ```
 *
 * One that is not to be described is answered without RowDescription and NoData.
 *
 * Else it is a text that may hold several, whose last result counts.
 */
export class Statement {
  readonly #config: StatementConfig
  readonly #isPrepared: boolean
  #wire: Wire | undefined
  #step: Step = 'describe'
  #fields: readonly Field[] | undefined
  #rows: Row[] = []
  #tag = ''

  constructor(config: StatementConfig, isPrepared: boolean) {
    this.#config = config
    this.#isPrepared = isPrepared
  }

  /** Behind it comes a Sync, unless it is a text of several. */
  send(wire: Wire): void {
    const { text, name = '', values = [] } = this.#config
    const { connection } = wire
    this.#wire = wire
    if (!this.#isPrepared) return connection.query(text)
    const isKnown = wire.prepared.has(name)
    this.#step = isKnown ? 'bind' : 'parse'
    const parameters = values.map(parameter)
    // All that `pg` looks for, so that it finds nothing of `Object.prototype`.
    if (!isKnown) connection.parse({ text, name, types: [] })
    connection.bind({
      portal: '',
      statement: name,
      values: parameters,
      binary: false,
      valueMapper: undefined,
    })
    if (this.#config.isUndescribed !== true) connection.describe({ type: 'P', name: '' })
    connection.execute({ portal: '', rows: 0 })
  }

  /** All of its answer is there; what comes next belongs to the next one. */
  get isAnswered(): boolean {
    return this.#isPrepared && this.#step === 'ready'
  }

  get result(): Result {
    return { rows: this.#rows, tag: this.#tag }
  }

  /** @throws BadAnswer for a message that cannot come here */
  take(message: Message): void {
    switch (message.name) {
      case 'parseComplete':
        this.#expect('parse', message)
        if (this.#config.name !== undefined) this.#wire?.prepared.add(this.#config.name)
        this.#step = 'bind'
        return
      case 'bindComplete':
        this.#expect('bind', message)
        this.#step = this.#config.isUndescribed === true ? 'rows' : 'describe'
        return
      case 'rowDescription':
        return this.#described(message)
      case 'noData':
        if (!this.#isPrepared) throw unexpected(message)
        this.#expect('describe', message)
        this.#step = 'rows'
        return
      case 'dataRow':
        this.#expect('rows', message)
        this.#rows.push(this.#rowOf(message))
        return
      case 'commandComplete':
      case 'emptyQuery':
        return this.#complete(message)
      case 'readyForQuery':
        // A text that holds several may be answered at any of them.
        if (this.#isPrepared || this.#step !== 'describe') this.#expect('ready', message)
        return
      default:
        throw unexpected(message)
    }
  }

  #expect(step: Step, message: Message): void {
    if (this.#step !== step) throw unexpected(message)
  }

  #described({ fields = [] }: Message): void {
    if (this.#step === 'ready' && !this.#isPrepared) this.#step = 'describe'
    if (this.#step !== 'describe') throw new BadAnswer('rowDescription out of turn')
    this.#fields = fields as readonly Field[]
    if (this.#fields.some(({ format }) => format !== 'text')) throw new BadAnswer('values that are not text')
    this.#rows = []
    this.#step = 'rows'
  }

  #rowOf({ fields = [] }: Message): Row {
    if (this.#config.isUndescribed === true) return [...fields]
    const described = this.#fields
    if (described === undefined || described.length !== fields.length)
      throw new BadAnswer('a row of another width')
    if (this.#config.rowMode === 'array') return described.map((field, i) => valueOf(field, fields[i]))
    // Filled in a loop: 0.6 of the work of making it from entries.
    const row: Record<string, unknown> = {}
    for (const [i, field] of described.entries()) row[field.name] = valueOf(field, fields[i])
    return row
  }

  /** In a text of several statements one without rows is not described. */
  #complete(message: Message): void {
    const isBare = !this.#isPrepared && (this.#step === 'describe' || this.#step === 'ready')
    if (isBare) this.#rows = []
    else this.#expect('rows', message)
    this.#tag = message.text ?? ''
    const [, count] = /^SELECT (\d+)$/.exec(this.#tag) ?? []
    const isUndescribed = this.#config.isUndescribed === true
    if (isUndescribed && count === undefined && this.#rows.length > 0) throw unexpected(message)
    const hasRows = (this.#fields !== undefined || isUndescribed) && !isBare
    if (hasRows && count !== undefined && Number(count) !== this.#rows.length) {
      throw new BadAnswer(`${this.#tag}, after ${this.#rows.length} rows`)
    }
    this.#fields = undefined
    this.#step = 'ready'
  }
}

function valueOf({ dataTypeID }: Field, value: unknown): unknown {
  const text = value as string | null
  const parse = PARSERS[dataTypeID]
  return text === null || parse === undefined ? text : parse(text)
}

function unexpected({ name }: Message): BadAnswer {
  return new BadAnswer(`${name} out of turn`)
}

/** A value as text; bytes as they are. */
function parameter(value: unknown): string | Buffer | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return `{${value.map(element).join(',')}}`
  throw new TypeError('not the value of a parameter')
}

function element(value: unknown): string {
  const text = parameter(value)
  if (text === null) return 'NULL'
  if (typeof text !== 'string') return `"\\\\x${text.toString('hex')}"`
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}

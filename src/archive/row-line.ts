import { AuditError } from '../errors.js'
import { eventDigest } from '../event/digest.js'
import { type AuditEvent, FIELDS } from '../event/fields.js'
import { JSON } from '../host/globals.js'
import { jsonString } from '../host/json-text.js'
import type { ReadRow } from '../postgres/read/copied-event.js'
import type { ReadTuple } from '../postgres/read/copy-out.js'
import { archiveError } from './archive-store.js'
import { LineWriter } from './line-writer.js'

/** 2000-01-01T00:00:00Z, the zero of Postgres, in µs since the Unix epoch. */
const POSTGRES_EPOCH_US = 946_684_800_000_000

/** Behind the columns of an event, in the order of `archive-rows.sql`. */
const OTHERS = [
  ['event_digest', 'bytes'],
  ['chain_id', 'bytes'],
  ['block_no', 'int8'],
  ['block_index', 'int4'],
  ['recorded_xid', 'int8'],
  ['recorded_at', 'time'],
] as const

export type Kind = 'int8' | 'int4' | 'time' | 'bytes' | 'text'

type Column = readonly [name: string, kind: Kind]

/** In the order of lines. */
export const COLUMNS: readonly Column[] = [
  ...FIELDS.map(({ column, kind }) => [column, kind === 'int8' || kind === 'time' ? kind : 'text'] as const),
  ...OTHERS,
]
/** Of the first column, which every row has, and of those behind it. */
const KEYS = COLUMNS.map(([name], column) => Buffer.from(`${column === 0 ? '{' : ','}"${name}":`))
const END = Buffer.from('}')

const OCCURRED_AT = COLUMNS.findIndex(([name]) => name === 'occurred_at')
const CREDENTIAL = COLUMNS.findIndex(([name]) => name === 'credential')
const CHAIN = COLUMNS.findIndex(([name]) => name === 'chain_id')

/** A row as an archive has it: one line of JSON, and what decides where it goes. */
export class RowLine {
  readonly auditId: bigint
  readonly credential: string
  /** µs since the Unix epoch. */
  readonly occurredAt: bigint
  /** Without a line end. */
  readonly line: Buffer
  /** It says that it is of a block. */
  readonly hasBlock: boolean

  constructor(auditId: bigint, credential: string, occurredAt: bigint, line: Buffer, hasBlock: boolean) {
    this.auditId = auditId
    this.credential = credential
    this.occurredAt = occurredAt
    this.line = line
    this.hasBlock = hasBlock
  }

  /** Its place in a block, read from the line: few rows are asked for it. The digest is the one that is stored. */
  get place(): Pick<ReadRow, 'chain' | 'block' | 'index' | 'stored'> {
    return rowOfLine(this.line.toString())
  }
}

/**
 * Makes lines of tuples of COPY's binary format: every column that is not NULL, by its name. What is hashed is there exactly as it
 * is hashed, whatever reads it: integers of 64 bits and times (in µs since the Unix epoch) are strings of digits, the attributes
 * a string that is their JSON text, bytes hex.
 */
export function linesOfTuples(): ReadTuple<RowLine> {
  const writer = new LineWriter()
  return (bytes, from) => {
    let at = from
    let credential = ''
    let occurredAt = BigInt(POSTGRES_EPOCH_US)
    let hasBlock = false
    writer.begin()
    for (let column = 0; column < COLUMNS.length; column++) {
      const length = bytes.readInt32BE(at)
      const start = at + 4
      at = start + Math.max(0, length)
      if (length < 0) continue
      writer.ascii(KEYS[column] as Buffer)
      write(writer, (COLUMNS[column] as Column)[1], bytes, start, at)
      if (column === OCCURRED_AT) occurredAt += bytes.readBigInt64BE(start)
      if (column === CHAIN) hasBlock = true
      if (column === CREDENTIAL) credential = bytes.toString('utf8', start, at)
    }
    writer.ascii(END)
    return new RowLine(bytes.readBigInt64BE(from + 4), credential, occurredAt, writer.end(), hasBlock)
  }
}

function write(writer: LineWriter, kind: Kind, bytes: Buffer, start: number, end: number): void {
  switch (kind) {
    case 'int8':
      return writer.int8(bytes, start, 0)
    case 'time':
      return writer.int8(bytes, start, POSTGRES_EPOCH_US)
    case 'int4':
      return writer.int4(bytes.readInt32BE(start))
    case 'bytes':
      return writer.hex(bytes, start, end)
    case 'text':
      return writer.string(bytes, start, end)
  }
}

/** The line of the texts of its columns, in the order of {@link COLUMNS}: what stands in the line, without quotes. Null: NULL. */
export function lineOfTexts(texts: readonly (string | null)[]): string {
  let line = '{'
  for (const [column, [name, kind]] of COLUMNS.entries()) {
    const text = texts[column] ?? null
    if (text === null) continue
    const value = kind === 'text' ? jsonString(text) : kind === 'int4' ? text : `"${text}"`
    line += `${line === '{' ? '' : ','}"${name}":${value}`
  }
  return `${line}}`
}

/** Every field absent. */
const NOTHING = Object.freeze(Object.fromEntries(FIELDS.map(({ name }) => [name, null])))

/**
 * The row of a line. Its event has the digest that is computed of it, and nothing else is believed of the line.
 *
 * @throws AuditError `AUDIT_ARCHIVE` for what is not the line of a row
 */
export function rowOfLine(line: string): ReadRow {
  const values = parsed(line)
  const event: Record<string, unknown> = { ...NOTHING }
  for (const { name, column, kind, required } of FIELDS) {
    const value = values[column]
    if (value === undefined) {
      if (required === true) throw malformed(`${column} is missing`)
      continue
    }
    if (typeof value !== 'string') throw malformed(`${column} is not text`)
    event[name] =
      kind === 'int8' ? integer(column, value) : kind === 'time' ? Number(integer(column, value)) : value
  }
  const { auditId, originalAuditId } = event as unknown as AuditEvent
  const [digest, chain, block] = [values['event_digest'], values['chain_id'], values['block_no']]
  const index = values['block_index']
  if (index !== undefined && !Number.isSafeInteger(index)) throw malformed('block_index is not an integer')
  return {
    event: event as unknown as AuditEvent,
    auditId,
    originalAuditId,
    computed: eventDigest(event as unknown as AuditEvent),
    stored: digest === undefined ? null : hex('event_digest', digest),
    chain: chain === undefined ? null : hex('chain_id', chain).toString('hex'),
    block: block === undefined ? null : Number(integer('block_no', block)),
    index: index === undefined ? null : (index as number),
    recordedXid: integer('recorded_xid', values['recorded_xid']),
    recordedAt: Number(integer('recorded_at', values['recorded_at'])),
  }
}

const KNOWN: ReadonlySet<string> = new Set(COLUMNS.map(([name]) => name))

function parsed(line: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    // The parser's message quotes the text.
    throw malformed('it is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('it is not an object')
  const unknown = Object.keys(value).find((key) => !KNOWN.has(key))
  if (unknown !== undefined) throw malformed('it has a column that rows do not have')
  return value as Readonly<Record<string, unknown>>
}

function integer(column: string, value: unknown): bigint {
  if (typeof value === 'string' && /^(0|-?[1-9]\d{0,19})$/.test(value)) return BigInt(value)
  throw malformed(`${column} is not an integer as text`)
}

function hex(column: string, value: unknown): Buffer {
  if (typeof value === 'string' && /^([0-9a-f]{2})*$/.test(value)) return Buffer.from(value, 'hex')
  throw malformed(`${column} is not hex`)
}

function malformed(problem: string): AuditError {
  return archiveError(`not the line of a row: ${problem}`)
}

import { EVENT_DOMAIN, HEADER_BYTES, INTEGER_BYTES } from '../event/digest.js'
import { FIELDS } from '../event/fields.js'
import { sha256 } from '../event/sha256.js'
import type { CheckedRow } from '../verify/source.js'
import { COLUMNS as LINE_COLUMNS, type Kind, rowOfLine } from './row-line.js'

interface LineColumn {
  /** With what stands in front of the value. */
  readonly key: Buffer
  readonly kind: Kind
  /** Undefined: it is not hashed. */
  readonly tag: number | undefined
  readonly isRequired: boolean
}

const COLUMNS: readonly LineColumn[] = LINE_COLUMNS.map(([name, kind], column) => ({
  key: Buffer.from(`${column === 0 ? '{' : ','}"${name}":${kind === 'int4' ? '' : '"'}`),
  kind,
  tag: FIELDS[column]?.tag,
  isRequired: FIELDS[column]?.required === true,
}))
const columnOf = (name: string): number => LINE_COLUMNS.findIndex(([known]) => known === name)
const [ORIGINAL, DIGEST, CHAIN] = ['original_audit_id', 'event_digest', 'chain_id'].map(columnOf)
const [BLOCK, INDEX] = ['block_no', 'block_index'].map(columnOf)
const NEEDED = columnOf('recorded_xid')

const NEWLINE = 0x0a
const [QUOTE, BACKSLASH, BRACE, ZERO, NINE, SPACE, U] = [0x22, 0x5c, 0x7d, 0x30, 0x39, 0x20, 0x75] as const
const HEX = Buffer.from('0123456789abcdef')
const DIGEST_BYTES = 32
const CHAIN_DIGITS = 32
const TEN_9 = 1_000_000_000
const MOST_DIGITS = 19
/** Of the upper half of an integer that a number has exactly. */
const SAFE_HIGH = 2 ** 20

/** By the letter behind a backslash. */
const ESCAPES: ReadonlyMap<number, number> = new Map(
  [
    ['b', '\b'],
    ['t', '\t'],
    ['n', '\n'],
    ['f', '\f'],
    ['r', '\r'],
    ['"', '"'],
    ['\\', '\\'],
  ].map(([letter = '', byte = '']) => [letter.charCodeAt(0), byte.charCodeAt(0)]),
)

/**
 * The rows of the text of a member, as far as they are held against blocks. A line as this library writes it is read as bytes, from
 * which the digest is made: neither a string nor an event is. Every other line is read by {@link rowOfLine}, and says the same.
 *
 * @throws AuditError `AUDIT_ARCHIVE` for what is not the line of a row
 */
export function checkedRowsOf(text: Buffer): readonly CheckedRow[] {
  const rows: CheckedRow[] = []
  const lines = new CheckedLines(text)
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf(NEWLINE, from)
    rows.push(lines.read(from, end) ?? rowOfLine(text.toString('utf8', from, end)))
    from = end + 1
  }
  return rows
}

// Reused: its bytes are hashed before the next line is read.
let scratch = Buffer.alloc(4096)
EVENT_DOMAIN.copy(scratch)

// The last chain that was read: rows of one come in a row, or take turns with a few others.
let lastChain = ''
let lastChainBytes = Buffer.alloc(CHAIN_DIGITS)

class CheckedLines {
  readonly #text: Buffer
  #at = 0
  /** Of what is hashed. */
  #used = 0
  /** Of the last integer: its upper and its lower half. */
  #high = 0
  #low = 0

  /** @param text ends with a line end */
  constructor(text: Buffer) {
    this.#text = text
  }

  /** @returns undefined for a line that is not as this library writes it */
  read(from: number, end: number): CheckedRow | undefined {
    this.#at = from
    this.#used = EVENT_DOMAIN.length
    reserve(end - from)
    const auditId = EVENT_DOMAIN.length + HEADER_BYTES
    let [originalAt, digestAt, chainAt, block, index] = [-1, -1, -1, -1, -1]
    for (let column = 0; column < COLUMNS.length; column++) {
      const { key, kind, tag, isRequired } = COLUMNS[column] as LineColumn
      if (!this.#takes(key)) {
        if (isRequired || column >= NEEDED) return undefined
        continue
      }
      const start = this.#at
      if (column === ORIGINAL) originalAt = this.#used + HEADER_BYTES
      if (!(tag === undefined ? this.#plain(kind) : this.#hashed(kind, tag))) return undefined
      if (column === DIGEST) digestAt = start
      if (column === CHAIN) chainAt = start
      if (column === BLOCK) block = this.#number()
      if (column === INDEX) index = this.#number()
    }
    if (this.#text[this.#at] !== BRACE || this.#at + 1 !== end) return undefined
    const computed = sha256(scratch.subarray(0, this.#used))
    return {
      auditId: scratch.readBigInt64BE(auditId),
      originalAuditId: originalAt < 0 ? null : scratch.readBigInt64BE(originalAt),
      computed,
      stored: digestAt < 0 ? null : this.#digest(digestAt, computed),
      chain: chainAt < 0 ? null : this.#chain(chainAt),
      block: block < 0 ? null : block,
      index: index < 0 ? null : index,
    }
  }

  #takes(key: Buffer): boolean {
    const [text, at] = [this.#text, this.#at]
    for (let i = 0; i < key.length; i++) if (text[at + i] !== key[i]) return false
    this.#at += key.length
    return true
  }

  /** @returns whether it is as this library writes it; then its bytes are behind those that are hashed */
  #hashed(kind: Kind, tag: number): boolean {
    const start = this.#used + HEADER_BYTES
    let length = INTEGER_BYTES
    if (kind === 'text') {
      length = this.#string(start)
      if (length < 0) return false
    } else {
      if (!this.#integer() || (kind === 'time' && this.#high >= SAFE_HIGH)) return false
      scratch.writeInt32BE(this.#high, start)
      scratch.writeUInt32BE(this.#low, start + 4)
    }
    scratch[this.#used] = tag
    scratch.writeUInt32BE(length, this.#used + 1)
    this.#used = start + length
    return true
  }

  /** @returns the length of what was copied; -1 for what is not as this library writes it */
  #string(target: number): number {
    const text = this.#text
    let to = target
    for (let at = this.#at; ; at++) {
      const byte = text[at] as number
      if (byte === QUOTE) {
        this.#at = at + 1
        return to - target
      }
      if (byte < SPACE) return -1
      if (byte !== BACKSLASH) {
        scratch[to++] = byte
        continue
      }
      const escaped = this.#escape(++at)
      if (escaped < 0) return -1
      scratch[to++] = escaped
      if (text[at] === U) at += 4
    }
  }

  /** Of `\u` only what is one byte, as it is written. */
  #escape(at: number): number {
    const letter = this.#text[at] as number
    if (letter !== U) return ESCAPES.get(letter) ?? -1
    const digits = this.#text.toString('latin1', at + 1, at + 5)
    return /^00[01][0-9a-f]$/.test(digits) ? Number.parseInt(digits, 16) : -1
  }

  /** What is not hashed, as far as it has to be in order. Integers and indexes are read. */
  #plain(kind: Kind): boolean {
    if (kind === 'int8' || kind === 'time') return this.#integer()
    if (kind === 'int4') return this.#digits() > 0 && this.#high < SAFE_HIGH
    const text = this.#text
    const start = this.#at
    while (isHex(text[this.#at] as number)) this.#at++
    const length = this.#at - start
    return text[this.#at++] === QUOTE && (length === DIGEST_BYTES * 2 || length === CHAIN_DIGITS)
  }

  /** An integer from 0 on, and the quote behind it. */
  #integer(): boolean {
    return this.#digits() > 0 && this.#text[this.#at++] === QUOTE
  }

  /** @returns how many; 0 for what has to be read with more care */
  #digits(): number {
    const text = this.#text
    const start = this.#at
    let end = start
    while (isDigit(text[end] as number)) end++
    const count = end - start
    if (count > MOST_DIGITS || (count > 1 && text[start] === ZERO)) return 0
    this.#at = end
    // The last nine digits apart, so that both parts are exact, and together in steps of 16 bits.
    const middle = Math.max(start, end - 9)
    const upper = this.#decimal(start, middle)
    const rest = (upper % 65536) * TEN_9 + this.#decimal(middle, end)
    this.#split(Math.floor(upper / 65536) * TEN_9 + Math.floor(rest / 65536), rest % 65536)
    return this.#high < 2 ** 31 ? count : 0
  }

  #decimal(from: number, to: number): number {
    let value = 0
    for (let at = from; at < to; at++) value = value * 10 + (this.#text[at] as number) - ZERO
    return value
  }

  /** @param upper all but the lowest 16 bits */
  #split(upper: number, lowest: number): void {
    this.#high = Math.floor(upper / 65536)
    this.#low = (upper % 65536) * 65536 + lowest
  }

  #number(): number {
    return this.#high * 2 ** 32 + this.#low
  }

  /** Mostly they are the same, and then no second one is kept. */
  #digest(at: number, computed: Buffer): Buffer {
    const text = this.#text
    let isSame = text[at + DIGEST_BYTES * 2] === QUOTE
    for (let i = 0; isSame && i < DIGEST_BYTES; i++) {
      const byte = computed[i] as number
      isSame = text[at + i * 2] === HEX[byte >> 4] && text[at + i * 2 + 1] === HEX[byte & 15]
    }
    return isSame ? computed : Buffer.from(text.toString('latin1', at, text.indexOf(QUOTE, at)), 'hex')
  }

  #chain(at: number): string {
    const end = at + CHAIN_DIGITS
    if (this.#text[end] !== QUOTE) return this.#text.toString('latin1', at, this.#text.indexOf(QUOTE, at))
    if (lastChainBytes.compare(this.#text, at, end) !== 0) {
      lastChainBytes = Buffer.from(this.#text.subarray(at, end))
      lastChain = lastChainBytes.toString('latin1')
    }
    return lastChain
  }
}

/** What is hashed of a line is not longer than it, but for tags, lengths, and integers of one digit. */
function reserve(length: number): void {
  const most = EVENT_DOMAIN.length + length + FIELDS.length * (HEADER_BYTES + INTEGER_BYTES)
  if (most <= scratch.length) return
  scratch = Buffer.alloc(most * 2)
  EVENT_DOMAIN.copy(scratch)
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x61 && byte <= 0x66)
}

// Of the room's invariant: what the application does to `JSON`, to a `toJSON` on a prototype or to `Object.prototype`,
// before this library is loaded or after it, changes no byte of a record. So what is hashed, sent or spooled is never
// written or read by the global `JSON`.

/** The values of a flat JSON object. */
export type FlatValue = string | number | boolean | null

const HEX = '0123456789abcdef'
const QUOTE = 0x22
const BACKSLASH = 0x5c
const SHORT: readonly (readonly [number, string])[] = [
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [QUOTE, '\\"'],
  [BACKSLASH, '\\\\'],
]

/** A string as JSON: byte for byte what an unchanged `JSON.stringify` makes of it, lone surrogates included. */
export function jsonString(text: string): string {
  const { length } = text
  let json = '"'
  let copied = 0
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x20 && unit !== QUOTE && unit !== BACKSLASH && (unit < 0xd800 || unit > 0xdfff)) continue
    if (unit >= 0xd800 && unit <= 0xdbff) {
      const next = text.charCodeAt(i + 1)
      if (next >= 0xdc00 && next <= 0xdfff) {
        i++
        continue
      }
    }
    json += text.slice(copied, i) + escaped(unit)
    copied = i + 1
  }
  return copied === 0 ? `"${text}"` : `${json}${text.slice(copied)}"`
}

function escaped(unit: number): string {
  for (const [code, short] of SHORT) if (code === unit) return short
  return `\\u${HEX[unit >> 12]}${HEX[(unit >> 8) & 15]}${HEX[(unit >> 4) & 15]}${HEX[unit & 15]}`
}

/**
 * A JSON object whose values are strings, numbers, booleans or `null`. Of a key that comes twice the last one counts, as
 * for `JSON.parse`. The keys are none of the object's prototype.
 *
 * @throws Error that says what is wrong with the text, and quotes nothing of it
 */
export function parseFlatObject(json: string): ReadonlyMap<string, FlatValue> {
  return new FlatParser(json).object()
}

/** A text that is one JSON string. @throws Error as {@link parseFlatObject} */
export function parseJsonString(json: string): string {
  return new FlatParser(json).onlyString()
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const LITERALS: readonly (readonly [string, FlatValue])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]

class FlatParser {
  readonly #json: string
  #at = 0

  constructor(json: string) {
    this.#json = json
  }

  object(): ReadonlyMap<string, FlatValue> {
    const entries = new Map<string, FlatValue>()
    if (!this.#takes('{')) throw new Error('it is not an object')
    if (!this.#takes('}')) {
      do {
        this.#space()
        const key = this.#string()
        if (!this.#takes(':')) throw notJson()
        entries.set(key, this.#value())
      } while (this.#takes(','))
      if (!this.#takes('}')) throw notJson()
    }
    this.#end()
    return entries
  }

  onlyString(): string {
    this.#space()
    const text = this.#string()
    this.#end()
    return text
  }

  #end(): void {
    this.#space()
    if (this.#at !== this.#json.length) throw notJson()
  }

  #value(): FlatValue {
    this.#space()
    const first = this.#json[this.#at]
    if (first === '"') return this.#string()
    for (const [word, value] of LITERALS) {
      if (!this.#json.startsWith(word, this.#at)) continue
      this.#at += word.length
      return value
    }
    NUMBER.lastIndex = this.#at
    const number = NUMBER.exec(this.#json)?.[0]
    if (number === undefined) throw first === '{' || first === '[' ? new Error('it is not flat') : notJson()
    this.#at += number.length
    return Number(number)
  }

  #string(): string {
    const json = this.#json
    if (json[this.#at] !== '"') throw notJson()
    let text = ''
    let from = ++this.#at
    for (let i = from; i < json.length; i++) {
      const unit = json.charCodeAt(i)
      if (unit === QUOTE) {
        this.#at = i + 1
        return text + json.slice(from, i)
      }
      if (unit < 0x20) throw notJson()
      if (unit !== BACKSLASH) continue
      text += json.slice(from, i)
      this.#at = i + 1
      text += this.#escape()
      from = this.#at
      i = from - 1
    }
    throw notJson()
  }

  /** What stands behind a backslash. */
  #escape(): string {
    const kind = this.#json[this.#at++]
    if (kind === '/') return '/'
    for (const [code, short] of SHORT) if (short[1] === kind) return String.fromCharCode(code)
    if (kind !== 'u') throw notJson()
    let unit = 0
    for (let i = 0; i < 4; i++) {
      const digit = this.#json[this.#at++]?.toLowerCase() ?? ''
      const value = digit === '' ? -1 : HEX.indexOf(digit)
      if (value < 0) throw notJson()
      unit = unit * 16 + value
    }
    return String.fromCharCode(unit)
  }

  #takes(mark: string): boolean {
    this.#space()
    if (this.#json[this.#at] !== mark) return false
    this.#at++
    return true
  }

  #space(): void {
    for (;;) {
      const unit = this.#json.charCodeAt(this.#at)
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return
      this.#at++
    }
  }
}

function notJson(): Error {
  return new Error('it is not JSON')
}

import { JSON } from '../../host/globals.js'

/** What was found under the wanted keys. */
export type Found = Readonly<Record<string, string | boolean | readonly string[]>>

/** Deeper than any request that is looked at. */
const DEEPEST = 32

/**
 * Reads some keys at the top of a JSON object, and goes past everything else without keeping it: beside the name of a key
 * there may be what it is to sign. What is not as expected ends the search.
 *
 * @param wanted keys whose value is a text, a truth value, or a list of texts
 */
export function jsonKeys(text: string, wanted: ReadonlySet<string>): Found {
  const found: Record<string, string | boolean | readonly string[]> = Object.create(null) as never
  try {
    const at = new JsonReader(text)
    at.object((key) => {
      const value = wanted.has(key) ? at.simple() : undefined
      if (value !== undefined) found[key] = value
      else at.skip()
    })
  } catch {
    // What was found before stays.
  }
  return found
}

class JsonReader {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  /** @param each is called where the value of a key begins, and has to go past it */
  object(each: (key: string) => void): void {
    this.#list('{', '}', () => {
      const key = this.#string()
      this.#expect(':')
      each(key)
    })
  }

  /** The value here, when it is one that may be wanted; else nothing is read. */
  simple(): string | boolean | readonly string[] | undefined {
    switch (this.#next()) {
      case '"':
        return this.#string()
      case 't':
      case 'f':
        return this.#word() === 'true'
      case '[':
        return this.#texts()
      default:
        return undefined
    }
  }

  skip(): void {
    switch (this.#next()) {
      case '"':
        this.#pastString()
        break
      case '{':
        this.object(() => this.skip())
        break
      case '[':
        this.#list('[', ']', () => this.skip())
        break
      default:
        this.#word()
    }
  }

  #texts(): readonly string[] {
    const texts: string[] = []
    this.#list('[', ']', () => {
      if (this.#next() === '"') texts.push(this.#string())
      else this.skip()
    })
    return texts
  }

  #list(open: string, close: string, each: () => void): void {
    if (++this.#depth > DEEPEST) throw new RangeError('too deep')
    this.#expect(open)
    if (this.#next() !== close) {
      for (;;) {
        each()
        if (this.#next() !== ',') break
        this.#at++
      }
    }
    this.#expect(close)
    this.#depth--
  }

  #next(): string {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
    const next = this.#text[this.#at]
    if (next === undefined) throw new SyntaxError('it ends too early')
    return next
  }

  #expect(wanted: string): void {
    if (this.#next() !== wanted) throw new SyntaxError(`no ${wanted}`)
    this.#at++
  }

  #string(): string {
    const from = this.#at
    this.#pastString()
    return JSON.parse(this.#text.slice(from, this.#at)) as string
  }

  #pastString(): void {
    this.#expect('"')
    for (;;) {
      const here = this.#text[this.#at++]
      if (here === undefined) throw new SyntaxError('it ends too early')
      if (here === '"') return
      if (here === '\\') this.#at++
    }
  }

  #word(): string {
    const found = /[^\s,\]}]+/y
    found.lastIndex = this.#at
    const word = found.exec(this.#text)?.[0]
    if (word === undefined) throw new SyntaxError('no value')
    this.#at += word.length
    return word
  }
}

/** The same of a CBOR map. Source: RFC 8949; the protocol `rpc-v2-cbor` of AWS. */
export function cborKeys(bytes: Uint8Array, wanted: ReadonlySet<string>): Found {
  const found: Record<string, string | boolean | readonly string[]> = Object.create(null) as never
  try {
    const at = new CborReader(bytes)
    at.map((key) => {
      const value = wanted.has(key) ? at.simple() : undefined
      if (value !== undefined) found[key] = value
      else at.skip()
    })
  } catch {
    // What was found before stays.
  }
  return found
}

const [BYTES, TEXT, ARRAY, MAP, TAG] = [2, 3, 4, 5, 6] as const
const BREAK = 0xff

class CborReader {
  readonly #bytes: Buffer
  #at = 0
  #depth = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  map(each: (key: string) => void): void {
    if (this.#major !== MAP) throw new SyntaxError('no map')
    this.#items(1, () => each(this.#text()))
  }

  simple(): string | boolean | readonly string[] | undefined {
    const first = this.#bytes[this.#at]
    if (this.#major === TEXT) return this.#text()
    if (first === 0xf4 || first === 0xf5) {
      this.#at++
      return first === 0xf5
    }
    if (this.#major !== ARRAY) return undefined
    const texts: string[] = []
    this.#items(1, () => {
      if (this.#major === TEXT) texts.push(this.#text())
      else this.skip()
    })
    return texts
  }

  skip(): void {
    switch (this.#major) {
      case BYTES:
      case TEXT:
        this.#pastString()
        break
      case ARRAY:
        this.#items(1, () => this.skip())
        break
      case MAP:
        this.#items(2, () => this.skip())
        break
      case TAG:
        this.#length()
        this.skip()
        break
      default:
        this.#length()
    }
  }

  /** Each item of an array, or each pair of a map: `each` is called `times` per item. */
  #items(times: number, each: () => void): void {
    if (++this.#depth > DEEPEST) throw new RangeError('too deep')
    const length = this.#length()
    if (length === undefined) {
      while (this.#bytes[this.#at] !== BREAK) each()
      this.#at++
    } else {
      for (let i = 0; i < length * times; i++) each()
    }
    this.#depth--
  }

  get #major(): number {
    const first = this.#bytes[this.#at]
    if (first === undefined) throw new SyntaxError('it ends too early')
    return first >> 5
  }

  /** @returns undefined where the end is marked */
  #length(): number | undefined {
    const first = this.#bytes.readUInt8(this.#at++)
    const low = first & 0x1f
    if (low < 24) return low
    if (low === 31) return undefined
    const size = 1 << (low - 24)
    if (size > 8) throw new SyntaxError('no length')
    const value =
      size === 8 ? Number(this.#bytes.readBigUInt64BE(this.#at)) : this.#bytes.readUIntBE(this.#at, size)
    this.#at += size
    // Of a number it is the value.
    const isLength = first >> 5 >= BYTES && first >> 5 <= MAP
    if (isLength && value > this.#bytes.length) throw new RangeError('it is longer than all of it')
    return value
  }

  #text(): string {
    if (this.#major !== TEXT) throw new SyntaxError('no text')
    const [from, to] = this.#pastString()
    return this.#bytes.toString('utf8', from, to)
  }

  #pastString(): readonly [from: number, to: number] {
    const length = this.#length()
    if (length === undefined) {
      while (this.#bytes[this.#at] !== BREAK) this.#pastString()
      this.#at++
      return [this.#at, this.#at]
    }
    const from = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) throw new SyntaxError('it ends too early')
    return [from, this.#at]
  }
}

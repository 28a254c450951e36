import { types } from 'node:util'

/** A value with more parts than this is not looked at to its end. */
const MOST_PARTS = 10_000
/** Nor is one with more characters and bytes. */
const MOST_BYTES = 256 * 1024

/** A text or bytes in a value. */
export interface Leaf {
  readonly content: string | Buffer
  /** Whether it is under a key that names somebody or something (`username`, `host`), and not a secret. */
  readonly isName: boolean
}

/** What could be read of a value. */
export interface ValueParts {
  readonly leaves: readonly Leaf[]
  /** Whether something in it cannot be looked into, or is too much: it may contain anything. */
  readonly isOpaque: boolean
}

const NAMES =
  /(?:^|[a-z0-9_.-])(?:id|name|user|username|login|account|alias|credential|role|host|hostname|address|region|database|path|version|type|kid|issuer|subject|email|service|actor|worker|provider|engine)$/i

interface Pending {
  readonly value: unknown
  readonly isName: boolean
}

/** All strings, numbers and buffers of a value, in whatever it is made of that can be read without running a class's code. */
export function partsOf(root: unknown): ValueParts {
  const reader = new ValueReader()
  try {
    reader.read(root)
  } catch {
    // A getter or proxy that throws, a buffer that is detached.
    reader.isOpaque = true
  }
  return reader
}

class ValueReader implements ValueParts {
  readonly leaves: Leaf[] = []
  isOpaque = false
  readonly #seen = new Set<object>()
  readonly #pending: Pending[] = []
  #parts = 0
  #bytes = 0

  read(root: unknown): void {
    this.#push(root, false)
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      this.#visit(next)
      if (this.isOpaque && this.#parts > MOST_PARTS) return
    }
  }

  #push(value: unknown, isName: boolean): void {
    if (value === null || value === undefined || typeof value === 'boolean') return
    if (++this.#parts > MOST_PARTS) this.isOpaque = true
    else this.#pending.push({ value, isName })
  }

  #leaf(content: string | Buffer, isName: boolean): void {
    this.#bytes += content.length
    if (this.#bytes > MOST_BYTES) this.isOpaque = true
    else this.leaves.push({ content, isName })
  }

  #visit({ value, isName }: Pending): void {
    switch (typeof value) {
      case 'string':
        return this.#leaf(value, isName)
      case 'number':
      case 'bigint':
        return this.#leaf(`${value}`, isName)
      case 'symbol':
        return this.#leaf(value.description ?? '', isName)
      case 'object':
        if (value !== null && !this.#seen.has(value)) {
          this.#seen.add(value)
          this.#object(value, isName)
        }
        return
      case 'function':
        // What it has closed over, nobody can see.
        this.isOpaque = true
    }
  }

  #object(value: object, isName: boolean): void {
    if (types.isProxy(value)) return this.#opaque()
    const bytes = bytesOf(value)
    if (bytes !== undefined) return this.#leaf(bytes, isName)
    if (types.isBoxedPrimitive(value)) {
      this.#push(unboxed(value), isName)
      if (isSubclassed(value)) this.#opaque()
    } else if (types.isMap(value)) {
      MAP_EACH.call(value, (item, key) => {
        this.#push(key, true)
        this.#push(item, isName || isNameKey(key))
      })
      if (isSubclassed(value)) this.#opaque()
    } else if (types.isSet(value)) {
      SET_EACH.call(value, (item) => this.#push(item, isName))
      if (isSubclassed(value)) this.#opaque()
    } else if (types.isDate(value)) {
      return
    } else if (types.isRegExp(value)) {
      this.#push(value.source, isName)
    } else if (hasPrototype(value, globalThis.URL)) {
      this.#push((value as URL).href, isName)
    } else if (isListOfTexts(value)) {
      value.forEach((item: unknown, key: unknown) => {
        this.#push(item, isName || isNameKey(key))
      })
    } else if (!isData(value)) {
      return this.#opaque()
    }
    this.#own(value, isName)
  }

  #opaque(): void {
    this.isOpaque = true
  }

  #own(value: object, isName: boolean): void {
    if (Array.isArray(value)) this.#joined(value)
    for (const key of Reflect.ownKeys(value)) {
      if (key === 'length' && Array.isArray(value)) continue
      const item = (value as Record<PropertyKey, unknown>)[key]
      // An error says its own name and where it was made.
      this.#push(item, isName || isNameKey(key) || (key === 'stack' && types.isNativeError(value)))
      if (typeof key === 'symbol') this.#push(key, true)
      else if (!Array.isArray(value) && key.length >= 8) this.#push(key, true)
    }
  }

  /** A secret that is taken apart: a list of its characters, or of its bytes. */
  #joined(list: readonly unknown[]): void {
    if (list.length < 8 || list.length > MOST_BYTES) return
    if (list.every((item) => typeof item === 'string' && item.length <= 2)) this.#leaf(list.join(''), false)
    else if (list.every((item) => Number.isInteger(item) && (item as number) >= 0 && (item as number) <= 255))
      this.#leaf(Buffer.from(list as number[]), false)
  }
}

// Not the value's own: a subclass may have another one.
/* oxlint-disable typescript/unbound-method -- they are given their Map or Set */
const MAP_EACH = Map.prototype.forEach as (this: object, each: (item: unknown, key: unknown) => void) => void
const SET_EACH = Set.prototype.forEach as (this: object, each: (item: unknown) => void) => void
/* oxlint-enable typescript/unbound-method */

/** Whether it is of a class that extends what the engine has, in this realm or in another. */
function isSubclassed(value: object): boolean {
  const proto = Object.getPrototypeOf(value) as object | null
  const above = proto === null ? null : (Object.getPrototypeOf(proto) as object | null)
  return above === null || !isRoot(above)
}

function unboxed(value: object): unknown {
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value)
  if (types.isNumberObject(value)) return Number.prototype.valueOf.call(value)
  if (types.isBigIntObject(value)) return BigInt.prototype.valueOf.call(value)
  if (types.isSymbolObject(value)) return Symbol.prototype.valueOf.call(value)
  return undefined
}

function isNameKey(key: unknown): boolean {
  return typeof key === 'string' && NAMES.test(key)
}

function bytesOf(value: object): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (types.isAnyArrayBuffer(value)) return Buffer.from(value)
  return undefined
}

interface ListOfTexts {
  forEach(each: (item: unknown, key: unknown) => void): void
}

function isListOfTexts(value: object): value is ListOfTexts {
  return (
    hasPrototype(value, globalThis.URLSearchParams) ||
    hasPrototype(value, globalThis.Headers) ||
    hasPrototype(value, globalThis.FormData)
  )
}

function hasPrototype(value: object, type: { readonly prototype: object } | undefined): boolean {
  return type !== undefined && Object.getPrototypeOf(value) === type.prototype
}

/**
 * Whether all of an object is in its properties: a plain object, an array, an error, and an instance of a class that has
 * nothing but properties. A class with methods or getters may have private fields, which nobody can see from outside; and
 * one without properties has to have its content elsewhere.
 */
function isData(value: object): boolean {
  if (Array.isArray(value)) return true
  let proto: object | null = Object.getPrototypeOf(value) as object | null
  if (proto === null || isRoot(proto)) return !isBuiltIn(value)
  const isError = types.isNativeError(value)
  if (!isError && Reflect.ownKeys(value).length === 0) return false
  for (; proto !== null && !isRoot(proto); proto = Object.getPrototypeOf(proto) as object | null) {
    if (isError && ERRORS.has(proto)) continue
    const { constructor } = proto as { constructor?: unknown }
    if (Reflect.ownKeys(proto).some((key) => key !== 'constructor')) return false
    if (typeof constructor !== 'function' || mayHidePrivately(constructor)) return false
  }
  return !isBuiltIn(value)
}

/** The last one of a chain, of this realm or of another. */
function isRoot(proto: object): boolean {
  return Object.getPrototypeOf(proto) === null && Object.hasOwn(proto, 'hasOwnProperty')
}

const ERRORS: ReadonlySet<object> = new Set(
  [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError].map(
    ({ prototype }) => prototype as object,
  ),
)

/** Private names stand in the text of a class. */
function mayHidePrivately(constructor: object): boolean {
  const text = Function.prototype.toString.call(constructor)
  return text.includes('#') || !text.startsWith('class')
}

/** What keeps its content in slots of the engine's. */
function isBuiltIn(value: object): boolean {
  return (
    types.isPromise(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    types.isGeneratorObject(value) ||
    types.isMapIterator(value) ||
    types.isSetIterator(value) ||
    types.isExternal(value) ||
    Object.prototype.toString.call(value) === '[object WeakRef]'
  )
}

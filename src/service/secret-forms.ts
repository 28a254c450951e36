import { JSON } from '../host/globals.js'
import { bytesOfText, percentDecoded, readingsOf } from './readings.js'
import { type Leaf, partsOf } from './value-parts.js'

/** Shorter strings are not looked for inside others: they would match by chance. */
const LEAST_LENGTH = 8
/** A returned string that is shorter still, is found where a field is nothing else. */
const LEAST_EQUAL = 4
/** A secret of twice that is found by any of its pieces of this length, too. */
const PIECE = 16
/** How deep JSON text in JSON text is read. */
const DEPTH = 3
/** Longer texts are taken to contain it. */
const LONGEST_TEXT = 64 * 1024
/** Not that of whoever changes it later: a filter in it would hide what is looked for. */
const parse = JSON.parse

/**
 * The forms in which a returned value can show up in a text.
 *
 * Of the value every string, number and buffer in it counts: whole, without white space at its ends, line by line, in
 * pieces of 16 characters where it is longer than 32, and what stands in it as the password of a URL, behind
 * `password=`, in JSON, or in base64 or hex. Of the text every reading counts: see `readingsOf`. Case is ignored.
 *
 * A value that cannot be looked into (`isOpaque`) may be in any text: better a note too few than a secret too many.
 */
export class SecretForms {
  readonly isOpaque: boolean
  readonly #value: unknown
  /** What is a secret by itself. */
  readonly #whole = new Set<string>()
  /** Those, what names somebody beside it, and parts. */
  readonly #all = new Set<string>()
  readonly #pieces = new Set<string>()

  constructor(value: unknown) {
    const { leaves, isOpaque } = partsOf(value)
    this.#value = value
    let isComplete = true
    for (const leaf of leaves) isComplete = this.#addLeaf(leaf) && isComplete
    this.isOpaque = isOpaque || !isComplete
  }

  /** Whether a free text contains it, or may. One that is shorter than what is looked for cannot. */
  isIn(text: string): boolean {
    if (this.#isEqual(text)) return true
    if (text.length < LEAST_LENGTH) return false
    return this.isOpaque || this.#isFound(text, this.#all, true)
  }

  /** Whether an identifier is it, or contains it whole. What names somebody beside the secret is no secret. */
  isIdentifiedBy(text: string): boolean {
    if (this.#isEqual(text)) return true
    return text.length >= LEAST_LENGTH && this.#isFound(text, this.#whole, false)
  }

  #isEqual(text: string): boolean {
    const value = this.#value
    return typeof value === 'string' && value.length >= LEAST_EQUAL && text.trim() === value.trim()
  }

  #isFound(text: string, forms: ReadonlySet<string>, withPieces: boolean): boolean {
    if (forms.size === 0 && this.#pieces.size === 0) return false
    if (text.length > LONGEST_TEXT) return true
    const readings = readingsOf(bytesOfText(text))
    if (readings === undefined) return true
    for (const reading of readings) {
      const lower = reading.toLowerCase()
      const dense = withoutSpace(lower)
      for (const form of forms) if (lower.includes(form) || dense.includes(form)) return true
      if (withPieces && this.#hasPiece(dense)) return true
    }
    return false
  }

  #hasPiece(text: string): boolean {
    if (this.#pieces.size === 0) return false
    for (let i = 0; i + PIECE <= text.length; i++) if (this.#pieces.has(text.slice(i, i + PIECE))) return true
    return false
  }

  /** @returns whether all of it was looked at */
  #addLeaf({ content, isName }: Leaf, depth = 0): boolean {
    if (content.length < LEAST_LENGTH) return true
    if (typeof content !== 'string') {
      this.#addBytes(content, isName)
      return this.#addText(content.toString('utf8'), isName, depth)
    }
    return this.#addText(content, isName, depth)
  }

  #addText(text: string, isName: boolean, depth: number): boolean {
    this.#addForms(text, isName)
    const trimmed = text.trim()
    for (const inner of innerTexts(trimmed)) this.#addForms(inner, false)
    for (const line of trimmed.split(/[\r\n]+/)) {
      this.#addForms(line, true)
      const value = /^\s*[\w.-]+\s*[:=]\s*["']?(.*?)["']?[,;]?\s*$/.exec(line)?.[1]
      if (value !== undefined && value !== trimmed) this.#addForms(value, true)
    }
    for (const bytes of decodedWhole(trimmed)) this.#addBytes(bytes, isName)
    const json = depth < DEPTH ? jsonIn(trimmed) : undefined
    if (json === undefined) return true
    const { leaves, isOpaque } = partsOf(json)
    let isComplete = !isOpaque
    for (const leaf of leaves) isComplete = this.#addLeaf(leaf, depth + 1) && isComplete
    return isComplete
  }

  /** A text as bytes in the usual encodings. */
  #addForms(text: string, isName: boolean): void {
    // White space at the ends does not count, unless there would be too little left.
    const trimmed = text.trim().length < LEAST_LENGTH ? text : text.trim()
    if (trimmed.length < LEAST_LENGTH) return
    const utf8 = bytesOfText(trimmed)
    this.#add(utf8, isName)
    const decoded = trimmed.includes('%') ? percentDecoded(utf8) : utf8
    if (decoded !== utf8) this.#addForms(Buffer.from(decoded, 'latin1').toString('utf8'), isName)
    if (utf8.length !== trimmed.length) this.#add(Buffer.from(trimmed, 'latin1').toString('latin1'), isName)
    const wide = Buffer.from(trimmed, 'utf16le')
    this.#add(wide.toString('latin1'), isName)
    this.#add(wide.swap16().toString('latin1'), isName)
    if (isName) return
    const dense = withoutSpace(utf8.toLowerCase())
    if (dense.length < PIECE * 2) return
    for (let at = 0; at + PIECE <= dense.length; at += PIECE) this.#pieces.add(dense.slice(at, at + PIECE))
    this.#pieces.add(dense.slice(-PIECE))
  }

  #addBytes(bytes: Buffer, isName: boolean): void {
    if (bytes.length < LEAST_LENGTH) return
    const raw = bytes.toString('latin1')
    this.#add(raw, isName)
    // As somebody prints what is no text.
    this.#add(bytesOfText(raw), isName)
    this.#addForms(bytes.toString('utf8'), isName)
    if (bytes.length % 2 === 0) this.#addForms(bytes.toString('utf16le'), isName)
  }

  /** @param form bytes */
  #add(form: string, isName: boolean): void {
    if (form.length < LEAST_LENGTH) return
    const lower = form.toLowerCase()
    const dense = withoutSpace(lower)
    for (const each of [lower, dense]) {
      if (each.length < LEAST_LENGTH) continue
      this.#all.add(each)
      if (!isName) this.#whole.add(each)
    }
  }
}

function withoutSpace(bytes: string): string {
  return /[ \t\r\n]/.test(bytes) ? bytes.replace(/[ \t\r\n]+/g, '') : bytes
}

const SECRET_KEYS =
  /([\w.-]*(?:pass|pwd|secret|token|key|sig|cred|auth|private)[\w.-]*)\s*[=:]\s*("[^"]*"|'[^']*'|[^;&\s]+)/gi

/** Secrets that stand in a text with something around them: in a URL, behind `password=`. */
function* innerTexts(text: string): Iterable<string> {
  const password = /^[a-z][\w+.-]*:\/\/[^:@\s]*:(.+)@/i.exec(text)?.[1]
  if (password !== undefined) yield password
  for (const [, , value = ''] of text.matchAll(SECRET_KEYS)) yield value.replace(/^["']|["']$/g, '')
}

/** What a text says that is nothing but base64 or hex, or PEM. */
function* decodedWhole(text: string): Iterable<Buffer> {
  const dense = text.replace(/-----[A-Z0-9 ]+-----/g, '').replace(/\s+/g, '')
  if (/^[A-Za-z0-9+/_-]{11,}={0,2}$/.test(dense)) yield Buffer.from(dense, 'base64')
  if (/^(?:[0-9a-fA-F]{2}:?){8,}$/.test(dense)) yield Buffer.from(dense.replaceAll(':', ''), 'hex')
}

function jsonIn(text: string): unknown {
  if (!/^[[{"]/.test(text)) return undefined
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

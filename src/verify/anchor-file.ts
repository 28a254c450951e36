import { JSON } from '../host/globals.js'
import { BLOCK_FORMAT } from '../chain/block.js'
import { AuditError } from '../errors.js'
import { ATTRIBUTE_HOLDERS, anchorOfNote, type Entry, readEntry } from './anchor-entry.js'
import type { Anchor, Anchors } from './anchors.js'

/** What the lines of a file have come to. A note, and JSON over several lines, count as one. */
export interface AnchorLines {
  readonly withAnchors: number
  /** Of other applications, or empty requests. */
  readonly without: number
  readonly unreadable: number
}

/**
 * Reads anchors from lines, as they come: OTLP/JSON of traces and logs, or signed notes of blocks one after the other.
 *
 * JSON may be one request a line, as the file exporter of the OpenTelemetry collector writes it, or over several lines; one
 * after the other, or in arrays; with the names of OTLP in either spelling, or within what a backend puts around them: every
 * object that has the attributes of an anchor is one. What cannot be read is noted in the anchors, with its line.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED` when there is no anchor at all, naming the first line that cannot be read
 */
export async function readAnchors(
  lines: AsyncIterable<string> | Iterable<string>,
  anchors: Anchors,
): Promise<AnchorLines> {
  const reader = new AnchorReader(anchors)
  for await (const line of lines) reader.take(line)
  return reader.end()
}

type Outcome = 'withAnchors' | 'without' | 'unreadable'

class AnchorReader {
  readonly #anchors: Anchors
  readonly #counts: Record<Outcome, number> = { withAnchors: 0, without: 0, unreadable: 0 }
  #number = 0
  /** Lines that belong together, and the first of them: of a note, or of JSON. */
  #kind: 'note' | 'json' | undefined
  #lines: string[] = []
  #from = 0
  #hasAnchors = false
  #firstProblem: string | undefined

  constructor(anchors: Anchors) {
    this.#anchors = anchors
  }

  take(given: string): void {
    const line = ++this.#number === 1 ? given.replace(/^\uFEFF/, '') : given
    if (this.#kind !== undefined && this.#continues(line)) return
    this.#endLines()
    const text = line.trim()
    if (text === '') return
    if (line === BLOCK_FORMAT) this.#begin('note', line)
    else if (text === '{' || text === '[') this.#begin('json', line)
    else this.#takeJson(text, this.#number)
  }

  end(): AnchorLines {
    this.#endLines()
    if (!this.#hasAnchors) {
      throw new AuditError('AUDIT_EVIDENCE_MALFORMED', this.#firstProblem ?? 'the anchors: there is none', {
        remedy: 'Name a file with the anchors of this trail: docs/integrity.md has the forms that are read.',
      })
    }
    return this.#counts
  }

  #begin(kind: 'note' | 'json', line: string): void {
    this.#kind = kind
    this.#lines = [line]
    this.#from = this.#number
  }

  /** @returns whether the line belongs to those before it */
  #continues(line: string): boolean {
    if (this.#kind === 'note') {
      const isSigned = this.#lines.includes('')
      const isMore = isSigned
        ? line === '' || line.startsWith('— ')
        : !/^[{[]/.test(line) && line !== BLOCK_FORMAT
      if (isMore) this.#lines.push(line)
      return isMore
    }
    // A request of its own: what came before was cut off.
    if (/^(\{"|\[\{|otel-audit\/)/.test(line)) return false
    this.#lines.push(line)
    if (/^[}\]]\s*$/.test(line)) this.#endLines()
    return true
  }

  #endLines(): void {
    const [kind, lines] = [this.#kind, this.#lines]
    this.#kind = undefined
    this.#lines = []
    if (kind === 'json') this.#takeJson(lines.join('\n'), this.#from)
    if (kind === 'note') this.#takeNote(lines.join('\n'), this.#from)
  }

  #takeNote(note: string, line: number): void {
    const anchor = anchorOfNote(note)
    if (anchor === undefined) {
      const log = /^log (.*)$/m.exec(note)?.[1]
      this.#cannotRead(line, 'the block that begins here cannot be read', log)
      return
    }
    this.#add(anchor)
    this.#counts.withAnchors++
  }

  #takeJson(text: string, line: number): void {
    const { values, rest } = jsonValues(text)
    let outcome: Outcome = 'without'
    for (const value of values) {
      for (const entry of entriesIn(value)) {
        const read = readEntry(entry)
        if (read === undefined) continue
        if ('anchors' in read) {
          for (const anchor of read.anchors) this.#add(anchor)
          if (outcome === 'without') outcome = 'withAnchors'
        } else {
          this.#note(line, read.problem, read.log)
          outcome = 'unreadable'
        }
      }
    }
    if (rest) {
      this.#note(line, 'neither OTLP/JSON nor a signed block', undefined)
      outcome = 'unreadable'
    }
    this.#counts[outcome]++
  }

  #add(anchor: Anchor): void {
    this.#anchors.add(anchor)
    this.#hasAnchors = true
  }

  #cannotRead(line: number, problem: string, log: string | undefined): void {
    this.#note(line, problem, log)
    this.#counts.unreadable++
  }

  #note(line: number, problem: string, log: string | undefined): void {
    this.#firstProblem ??= `the anchors, line ${line}: ${problem}`
    this.#anchors.addUnread(log, { line, problem })
  }
}

/** The objects and arrays of a text, one after the other. `rest`: something else was there, or the end is cut off. */
function jsonValues(text: string): { readonly values: readonly object[]; readonly rest: boolean } {
  const whole = parsed(text)
  if (whole !== undefined) return { values: [whole], rest: false }
  const pieces = topLevel(text)
  const values = pieces.flatMap((piece) => parsed(piece) ?? [])
  return { values, rest: values.length < pieces.length || pieces.length === 0 }
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Cuts a text after each brace or bracket that closes the first one. */
function topLevel(text: string): string[] {
  const pieces: string[] = []
  let [depth, from] = [0, 0]
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    else continue
    if (depth > 0) continue
    pieces.push(text.slice(from, index + 1).trim())
    from = index + 1
    depth = 0
  }
  const rest = text.slice(from).trim()
  return rest === '' ? pieces : [...pieces, rest]
}

/** Every object that may have attributes, however deep. */
function* entriesIn(value: object): Generator<Entry> {
  const left: object[] = [value]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const entry = next as Entry
    const isList = Array.isArray(next)
    if (!isList) yield entry
    for (const [key, child] of Object.entries(entry)) {
      const isAttributes = !isList && (ATTRIBUTE_HOLDERS as readonly string[]).includes(key)
      if (typeof child === 'object' && child !== null && !isAttributes) left.push(child)
    }
  }
}

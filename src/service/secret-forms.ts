/** Shorter strings are not compared: they would match by chance. */
const LEAST_LENGTH = 8
/** A value with more parts than this is not searched to its end. */
const MOST_PARTS = 10_000

/**
 * The forms in which a returned value can show up in a text: its strings of 8 characters or more and its buffers,
 * nested ones too, as they are, as JSON strings, in base64, base64url, hex and URL encoding.
 *
 * A value that cannot be searched to its end (a getter or proxy that throws, too many parts) is taken to be in every
 * text: better a note too few than a secret too many.
 */
export class SecretForms {
  readonly #exact = new Set<string>()
  readonly #hex = new Set<string>()
  #complete: boolean

  /** @param longest length of the longest text that will be asked about: longer parts cannot be in it */
  constructor(value: unknown, longest: number) {
    try {
      this.#complete = this.#visit(value, longest)
    } catch {
      this.#complete = false
    }
  }

  isIn(text: string): boolean {
    if (!this.#complete) return true
    // A form decoder reads a plus as a space, others as a plus.
    const decoded = percentDecoded(text)
    const readings = new Set([text, decoded, percentDecoded(text.replaceAll('+', ' '))])
    for (const reading of readings) {
      for (const form of this.#exact) if (reading.includes(form)) return true
      const lower = reading.toLowerCase()
      for (const form of this.#hex) if (lower.includes(form)) return true
    }
    return false
  }

  /** Walks strings and buffers. @returns false when there were too many parts to see them all */
  #visit(root: unknown, longest: number): boolean {
    const seen = new Set<object>()
    const pending: unknown[] = [root]
    let parts = 0
    while (pending.length > 0) {
      const value = pending.pop()
      if (typeof value === 'string') {
        if (value.length >= LEAST_LENGTH && value.length <= longest) this.#addText(value)
        continue
      }
      if (typeof value !== 'object' || value === null || seen.has(value)) continue
      seen.add(value)
      const bytes = bytesOf(value)
      if (bytes !== undefined) {
        // UTF-8 takes up to three bytes where a text has one unit.
        if (bytes.length >= LEAST_LENGTH && bytes.length <= longest * 3) this.#addBytes(bytes)
        continue
      }
      for (const part of partsOf(value)) {
        if (++parts > MOST_PARTS) return false
        pending.push(part)
      }
    }
    return true
  }

  #addText(text: string): void {
    this.#exact.add(text)
    this.#exact.add(JSON.stringify(text).slice(1, -1))
    this.#addEncoded(Buffer.from(text, 'utf8'))
  }

  #addBytes(bytes: Buffer): void {
    this.#exact.add(bytes.toString('utf8'))
    this.#exact.add(bytes.toString('latin1'))
    this.#addEncoded(bytes)
  }

  #addEncoded(bytes: Buffer): void {
    this.#exact.add(bytes.toString('base64').replace(/=+$/, ''))
    this.#exact.add(bytes.toString('base64url'))
    this.#hex.add(bytes.toString('hex'))
  }
}

function bytesOf(value: object): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Buffer.from(value)
  return undefined
}

function* partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) {
    for (const [key, item] of value) {
      yield key
      yield item
    }
  } else if (Array.isArray(value) || value instanceof Set) {
    yield* value
  } else {
    if (value instanceof URL)
      yield* [value.href, percentDecoded(value.username), percentDecoded(value.password)]
    // Those that are not enumerable too, such as the message of an Error.
    for (const name of Object.getOwnPropertyNames(value)) yield (value as Record<string, unknown>)[name]
  }
}

function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'),
  )
}

import { createHash, timingSafeEqual } from 'node:crypto'
import type { Call } from './http.js'

/** Bearer tokens and whom each one stands for. Keeps hashes alone, and compares all of them in constant time. */
export class BearerTokens<T> {
  readonly #holders: { readonly hash: Buffer; readonly holder: T }[] = []

  add(token: string, holder: T): void {
    this.#holders.push({ hash: sha256(token), holder })
  }

  /** Who sent the request, or undefined when it carries no known token. */
  holderOf(call: Call): T | undefined {
    const [, token] = /^Bearer ([\x21-\x7e]+)$/i.exec(call.headers.authorization ?? '') ?? []
    const hash = sha256(token ?? '')
    let found: T | undefined
    for (const entry of this.#holders) if (timingSafeEqual(entry.hash, hash)) found = entry.holder
    return found
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

import type { ClientRequest } from 'node:http'
import { isNamedInBody } from './aws-request.js'

/** Requests that are read are short; of a longer one nothing is known. */
const MOST_BYTES = 64 * 1024

type Send = (this: ClientRequest, chunk?: unknown, ...rest: unknown[]) => unknown

/**
 * The bodies of requests to AWS that name in them what they ask for. Taken when they are written, since no channel tells of
 * them on Node 20, and forgotten when they were looked at. Of other requests nothing is taken, nor of those that put a secret.
 */
export class RequestBodies {
  readonly #bodies = new WeakMap<ClientRequest, Buffer[]>()
  readonly #restore: readonly (() => void)[]

  constructor() {
    this.#restore = (['write', 'end'] as const).map((name) => this.#watch(name))
  }

  /** Once: then it is forgotten. */
  take(request: ClientRequest): Uint8Array | undefined {
    const chunks = this.#bodies.get(request)
    this.#bodies.delete(request)
    return chunks && Buffer.concat(chunks)
  }

  restore(): void {
    for (const restore of this.#restore) restore()
  }

  #watch(name: 'write' | 'end'): () => void {
    // Loaded when it is needed: it takes 3 ms, an eighth of what importing this library may take.
    const { prototype } = process.getBuiltinModule('node:http').ClientRequest as unknown as {
      prototype: Record<string, unknown>
    }
    const before = Object.getOwnPropertyDescriptor(prototype, name)
    const send = prototype[name] as Send
    const note = (request: ClientRequest, chunk: unknown, encoding: unknown): void =>
      this.#note(request, chunk, encoding)
    const value: Send = function (this: ClientRequest, chunk, ...rest) {
      note(this, chunk, rest[0])
      return send.call(this, chunk, ...rest)
    }
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true })
    return () => {
      if (prototype[name] !== value) return
      if (before === undefined) delete prototype[name]
      else Object.defineProperty(prototype, name, before)
    }
  }

  #note(request: ClientRequest, chunk: unknown, encoding: unknown): void {
    try {
      if (request.method !== 'POST' || !isNamed(request)) return
      const bytes =
        typeof chunk === 'string'
          ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
          : chunk instanceof Uint8Array
            ? Buffer.from(chunk)
            : undefined
      if (bytes === undefined) return
      const chunks = this.#bodies.get(request) ?? []
      const length = chunks.reduce((sum, one) => sum + one.length, bytes.length)
      if (length <= MOST_BYTES) this.#bodies.set(request, [...chunks, bytes])
    } catch {
      // Then nothing is known of it.
    }
  }
}

function isNamed(request: ClientRequest): boolean {
  const header = request.getHeader('x-amz-target')
  return isNamedInBody(header === undefined ? undefined : String(header), request.path)
}

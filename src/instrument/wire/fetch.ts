import { AsyncLocalStorage } from 'node:async_hooks'

type Fetch = typeof globalThis.fetch

/** The body of the call of `fetch` that runs: the request that undici makes of it has only a generator. */
const bodies = new AsyncLocalStorage<string | Uint8Array | undefined>()

export function fetchedBody(): string | Uint8Array | undefined {
  return bodies.getStore()
}

/**
 * Puts a `fetch` in place of the global one that differs in two things: a withheld answer is the AuditError itself, and not a
 * TypeError around it; and the body of a request to AWS is known, which names in it what it asks for.
 *
 * @returns puts the other one back, unless somebody has put another one in front meanwhile
 */
export function watchFetch(): () => void {
  const real: unknown = globalThis.fetch
  if (typeof real !== 'function') return () => undefined
  const watched = new Proxy(real as Fetch, {
    apply: (target, self: unknown, args: Parameters<Fetch>) =>
      withBody(args, () => Reflect.apply(target, self, args)).catch((error: unknown) => {
        const { cause } = (error ?? {}) as { readonly cause?: unknown }
        throw isWithheld(cause) ? cause : error
      }),
  })
  globalThis.fetch = watched
  return () => {
    if (globalThis.fetch === watched) globalThis.fetch = real as Fetch
  }
}

/** By name: a process may have two copies of this package. */
function isWithheld(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'AuditError'
}

function withBody<T>([input, init]: Parameters<Fetch>, call: () => Promise<T>): Promise<T> {
  const body: unknown = init?.body
  if (typeof body === 'string' || body instanceof Uint8Array) {
    return isForAws(input, init?.headers) ? bodies.run(body, call) : call()
  }
  // Of a request that was put together before: a copy of its body, which no other request has read of.
  if (
    body === undefined &&
    input instanceof Request &&
    input.body !== null &&
    isForAws(input, input.headers)
  ) {
    return bodyOf(input).then((copied) => bodies.run(copied, call))
  }
  return call()
}

async function bodyOf(request: Request): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await request.clone().arrayBuffer())
  } catch {
    return undefined
  }
}

function isForAws(input: unknown, headers: unknown): boolean {
  if (hasTarget(headers)) return true
  const url = typeof input === 'string' ? input : input instanceof Request ? input.url : String(input)
  return url.includes('/service/')
}

const TARGET = 'x-amz-target'

function hasTarget(headers: unknown): boolean {
  if (headers === undefined || headers === null) return false
  if (headers instanceof Headers) return headers.has(TARGET)
  const names: readonly unknown[] = Array.isArray(headers)
    ? headers.map((pair: unknown) => (Array.isArray(pair) ? (pair as unknown[])[0] : undefined))
    : Object.keys(headers)
  return names.some((name) => typeof name === 'string' && name.toLowerCase() === TARGET)
}

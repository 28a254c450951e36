import { AsyncLocalStorage } from 'node:async_hooks'
import { isNamedInBody } from './aws-request.js'

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
    apply(target, self: unknown, args: Parameters<Fetch>) {
      const answer: unknown = withBody(args, () => Reflect.apply(target, self, args))
      // In tests of applications it may be anything.
      return isCatchable(answer) ? answer.catch(unwrapped) : answer
    },
  })
  globalThis.fetch = watched
  return () => {
    if (globalThis.fetch === watched) globalThis.fetch = real as Fetch
  }
}

function isCatchable(answer: unknown): answer is Promise<Response> {
  return typeof (answer as Partial<Promise<Response>> | null | undefined)?.catch === 'function'
}

function unwrapped(error: unknown): never {
  const { cause } = (error ?? {}) as { readonly cause?: unknown }
  throw isWithheld(cause) ? cause : error
}

/** By name: a process may have two copies of this package. */
function isWithheld(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'AuditError'
}

function withBody(args: Parameters<Fetch>, call: () => Promise<Response>): Promise<Response> {
  const body = namingBody(args)
  if (body === undefined) return call()
  return body instanceof Promise ? body.then((copied) => bodies.run(copied, call)) : bodies.run(body, call)
}

/** What names the access; nothing for what is none, or may have the value of a secret. What throws is left to `fetch` itself. */
function namingBody([input, init]: Parameters<Fetch>):
  | string
  | Uint8Array
  | Promise<Uint8Array | undefined>
  | undefined {
  try {
    const body: unknown = init?.body
    if (typeof body === 'string' || body instanceof Uint8Array) {
      return isNamed(input, init?.headers) ? body : undefined
    }
    if (body !== undefined || !(input instanceof Request) || input.body === null) return undefined
    // Of a request that was put together before: a copy of its body, which no other request has read of.
    return isNamed(input, init?.headers) ? copyOf(input.clone()) : undefined
  } catch {
    return undefined
  }
}

async function copyOf(request: Request): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await request.arrayBuffer())
  } catch {
    return undefined
  }
}

/** A request that AWS answers with a secret, or uses a key for, has a short body that is there at once: no stream. */
function isNamed(input: unknown, headers: unknown): boolean {
  const target = targetIn(headers) ?? (input instanceof Request ? targetIn(input.headers) : undefined)
  const url = input instanceof Request ? input.url : String(input)
  // No URL is made of what is none of AWS: most of what is fetched.
  if (target !== undefined) return isNamedInBody(target, '')
  return url.includes('/service/') && URL.canParse(url) && isNamedInBody(undefined, new URL(url).pathname)
}

const TARGET = 'x-amz-target'

function targetIn(headers: unknown): string | undefined {
  if (headers === undefined || headers === null) return undefined
  if (headers instanceof Headers) return headers.get(TARGET) ?? undefined
  const pairs: readonly unknown[] = Array.isArray(headers) ? headers : Object.entries(headers)
  for (const pair of pairs) {
    const [name, value]: unknown[] = Array.isArray(pair) ? pair : []
    if (typeof name === 'string' && name.toLowerCase() === TARGET) return String(value)
  }
  return undefined
}

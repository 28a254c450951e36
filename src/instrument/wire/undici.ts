import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { diag } from '../../host/diagnostics.js'
import type { Watch } from '../open-access.js'
import { fetchedBody } from './fetch.js'
import type { WireRequest } from './target.js'
import { WireAccess } from './wire-access.js'

const CREATED = 'undici:request:create'

/** What is used of the request object that the channel hands out. Behind a public channel these are members of undici's own. */
interface UndiciRequest {
  readonly origin: unknown
  readonly path: unknown
  readonly method: unknown
  /** A list of names and values from version 6 on, lines before. */
  readonly headers: unknown
  readonly body?: unknown
  aborted?: boolean
  abort?: (reason: unknown) => void
}

type Member = (this: UndiciRequest, ...args: unknown[]) => unknown
type Members = Record<string, Member | undefined>

/** What is hooked of a request, by the names that it has in a version. */
interface Names {
  readonly head: string
  readonly data: string
  readonly end: string
  readonly error: string
}

const OF_8: Names = {
  head: 'onResponseStart',
  data: 'onResponseData',
  end: 'onResponseEnd',
  error: 'onResponseError',
}
const OF_5_TO_7: Names = { head: 'onHeaders', data: 'onData', end: 'onComplete', error: 'onError' }

/**
 * Watches the requests of every copy of undici: Node's own behind `fetch`, those of npm, and bundled ones.
 *
 * @returns ends it
 */
export function watchUndici(watch: Watch): () => void {
  // One call may be told more than once.
  const seen = new WeakSet<object>()
  const onCreated = (message: unknown): void => {
    try {
      const { request } = message as { readonly request: UndiciRequest }
      if (seen.has(request)) return
      seen.add(request)
      const access = WireAccess.begin(watch, described(request), () => bodyOf(request))
      if (access === undefined) return
      const names = [OF_8, OF_5_TO_7].find((each) =>
        Object.values(each).every((name) => typeof (request as unknown as Members)[name] === 'function'),
      )
      if (names === undefined) {
        watch.coverage
          .copy('undici', undefined)
          .observed('its requests have neither onHeaders nor onResponseStart')
        access.notHeld()
      } else {
        hold(request, names, access)
      }
    } catch (error) {
      diag.error('otel-audit: a request could not be looked at; it is not audited at the wire', error)
    }
  }
  subscribe(CREATED, onCreated)
  return () => unsubscribe(CREATED, onCreated)
}

function described({ origin, path, method, headers }: UndiciRequest): WireRequest {
  const url = String(origin)
  const host = url.slice(url.indexOf('//') + 2)
  return {
    method: String(method),
    host: (headerOf(headers, 'host') ?? host).toLowerCase(),
    path: String(path),
    header: (name) => headerOf(headers, name),
  }
}

function headerOf(headers: unknown, name: string): string | undefined {
  if (Array.isArray(headers)) {
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const key: unknown = headers[i]
      if (typeof key === 'string' && key.length === name.length && key.toLowerCase() === name) {
        return textOf(headers[i + 1])
      }
    }
    return undefined
  }
  if (typeof headers !== 'string') return undefined
  const line = headers.split('\r\n').find((each) => each.toLowerCase().startsWith(`${name}:`))
  return line?.slice(name.length + 1).trim()
}

function textOf(value: unknown): string | undefined {
  const one: unknown = Array.isArray(value) ? value[0] : value
  if (one instanceof Uint8Array) return Buffer.from(one).toString('latin1')
  return typeof one === 'string' || typeof one === 'number' ? String(one) : undefined
}

/** Of `fetch` the request has only a generator. */
function bodyOf({ body }: UndiciRequest): string | Uint8Array | undefined {
  return typeof body === 'string' || body instanceof Uint8Array ? body : fetchedBody()
}

/** Pairs of an answer's head: a list of buffers, or with HTTP/2 an object. */
function answeredHeader(headers: unknown): (name: string) => string | undefined {
  return (name) => {
    if (!Array.isArray(headers)) {
      return textOf((headers as Record<string, unknown> | null | undefined)?.[name])
    }
    for (let i = 0; i + 1 < headers.length; i += 2) {
      if (String(headers[i]).toLowerCase() === name) return textOf(headers[i + 1])
    }
    return undefined
  }
}

/**
 * Holds the answer back until its row is committed: the head says that the parser is to pause, and is handed on later. What
 * comes in between waits behind it, since the parser reports the end of a connection in any case.
 */
function hold(request: UndiciRequest, names: Names, access: WireAccess): void {
  const members = request as unknown as Members
  const real = (name: string): Member => members[name] as Member
  const [head, data, end, failed] = [real(names.head), real(names.data), real(names.end), real(names.error)]
  /** What came while the head was held. */
  let waiting: (() => void)[] | undefined

  members[names.head] = function (...args) {
    const [status, headers, resume] = args as [number, unknown, () => void]
    if (status < 200) return head.apply(this, args)
    const held = access.head(status, answeredHeader(headers))
    if (held === undefined) return head.apply(this, args)
    waiting = []
    held.then(
      () =>
        process.nextTick(() => {
          const behind = waiting ?? []
          waiting = undefined
          if (this.aborted) return
          const goesOn = head.apply(this, args) !== false
          for (const each of behind) each()
          if (goesOn && !this.aborted) resume()
        }),
      (error: unknown) =>
        process.nextTick(() => {
          waiting = undefined
          if (this.aborted) return
          if (this.abort) this.abort(error)
          else failed.call(this, error)
        }),
    )
    return false
  }
  members[names.data] = function (...args) {
    if (waiting !== undefined) {
      waiting.push(() => void data.apply(this, args))
      return false
    }
    if (access.wantsRefusal && args[0] instanceof Uint8Array) access.refusalBody(args[0])
    return data.apply(this, args)
  }
  members[names.end] = function (...args) {
    if (waiting !== undefined) {
      waiting.push(() => void members[names.end]?.apply(this, args))
      return undefined
    }
    access.ended()
    return end.apply(this, args)
  }
  members[names.error] = function (...args) {
    waiting = undefined
    access.failed(isAbort(args[0]))
    access.ended()
    return failed.apply(this, args)
  }
}

function isAbort(error: unknown): boolean {
  const { name } = (error ?? {}) as { readonly name?: unknown }
  return name === 'AbortError' || name === 'TimeoutError'
}

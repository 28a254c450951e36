import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate } from '../../host/globals.js'
import { diag } from '../../host/diagnostics.js'
import type { Watch } from '../open-access.js'
import { fetchedBody } from './fetch.js'
import { mayBeAccess } from './recognise.js'
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
  completed?: boolean
  abort?: (reason: unknown) => void
}

type Member = (this: UndiciRequest, ...args: unknown[]) => unknown
type Members = Record<string, Member | undefined>

/** What is hooked of a request, by the names that it has in a version. */
interface Names {
  readonly start: string
  readonly head: string
  readonly data: string
  readonly end: string
  readonly error: string
}

const OF_8: Names = {
  start: 'onRequestStart',
  head: 'onResponseStart',
  data: 'onResponseData',
  end: 'onResponseEnd',
  error: 'onResponseError',
}
const OF_5_TO_7: Names = {
  start: 'onConnect',
  head: 'onHeaders',
  data: 'onData',
  end: 'onComplete',
  error: 'onError',
}

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
      const { method, path, headers } = request
      const hasTarget = (): boolean => headerOf(headers, 'x-amz-target') !== undefined
      if (!mayBeAccess(String(method), String(path), hasTarget) || seen.has(request)) return
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
        void new AnswerHold(request, names, access)
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

/** Most of an answer that is kept while it is held, in bytes: all secrets of a cluster are less. More makes the parser pause. */
const MOST_KEPT = 16 * 1024 * 1024

/**
 * Holds the answer back until its row is committed. What comes is kept, and handed on in its order afterwards, as fast as its
 * handler takes it. The parser of HTTP/1 is not paused for it: one that is paused while its connection is reset ends the
 * process with an assertion (undici 6 and 7, 2026-11-29). A stream of HTTP/2 is, since its end must not come before its answer.
 */
class AnswerHold {
  readonly #request: UndiciRequest
  readonly #access: WireAccess
  readonly #real: Readonly<Record<keyof Names, Member>>
  /** What came while the head was held, or its handler had paused. Undefined: everything goes its way. */
  #kept: (() => unknown)[] | undefined
  #keptBytes = 0
  /** By the handler. */
  #isPaused = false
  /** The parser is done with the request: its connection may serve another one. */
  #hasEnded = false
  #resume: (() => void) | undefined

  constructor(request: UndiciRequest, names: Names, access: WireAccess) {
    this.#request = request
    this.#access = access
    const members = request as unknown as Members
    const real = (name: string): Member => members[name] as Member
    this.#real = {
      start: real(names.start),
      head: real(names.head),
      data: real(names.data),
      end: real(names.end),
      error: real(names.error),
    }
    members[names.start] = (...args) => this.#start(args)
    members[names.head] = (...args) => this.#head(args)
    members[names.data] = (...args) => this.#data(args)
    members[names.end] = (...args) => this.#end(args)
    members[names.error] = (...args) => this.#error(args)
  }

  /** The handler gets what ends the request: not its connection, once that may serve another one. */
  #start([abort, ...rest]: unknown[]): unknown {
    const end = (reason: unknown): void => this.#abort(reason, abort as (reason: unknown) => void)
    return this.#call('start', [end, ...rest])
  }

  #head(args: unknown[]): unknown {
    const [status, headers, resume, ...rest] = args as [number, unknown, () => void, ...unknown[]]
    const held = status < 200 ? undefined : this.#access.head(status, answeredHeader(headers))
    if (held === undefined) return this.#call('head', args)
    this.#kept = []
    this.#resume = resume
    const shown = [status, headers, () => this.#resumed(), ...rest]
    // Not in the promise: what a handler throws is what it would be without a hold.
    held.then(
      () => process.nextTick(() => this.#release(shown)),
      (error: unknown) => process.nextTick(() => this.#refuse(error)),
    )
    return !isOfStream(resume)
  }

  #data(args: unknown[]): unknown {
    const chunk = args[0]
    const size = chunk instanceof Uint8Array ? chunk.length : 0
    if (this.#kept !== undefined) {
      this.#kept.push(() => this.#call('data', args))
      this.#keptBytes += size
      return this.#keptBytes < MOST_KEPT
    }
    if (this.#access.wantsRefusal && chunk instanceof Uint8Array) this.#access.refusalBody(chunk)
    return this.#call('data', args)
  }

  #end(args: unknown[]): unknown {
    this.#access.ended()
    if (this.#kept === undefined) return this.#call('end', args)
    this.#hasEnded = true
    this.#request.completed = true
    this.#kept.push(() => this.#call('end', args))
    return undefined
  }

  #error(args: unknown[]): unknown {
    this.#kept = undefined
    this.#access.failed(isAbort(args[0]))
    this.#access.ended()
    return this.#call('error', args)
  }

  #release(head: unknown[]): void {
    if (this.#request.aborted) return
    this.#isPaused = this.#call('head', head) === false
    // In a turn of its own: who waits for the head listens to the rest by then, as without a hold.
    setImmediate(() => this.#handOn())
  }

  #refuse(error: unknown): void {
    if (this.#request.aborted) return
    const { abort } = this.#request
    if (abort === undefined || abort === null) this.#error([error])
    else this.#abort(error, abort)
  }

  #abort(reason: unknown, abort: (reason: unknown) => void): void {
    if (this.#kept === undefined || !this.#hasEnded) abort(reason)
    else this.#error([reason ?? Object.assign(new Error('the request was aborted'), { name: 'AbortError' })])
  }

  #resumed(): void {
    this.#isPaused = false
    if (this.#kept !== undefined) this.#handOn()
    else this.#resume?.()
  }

  #handOn(): void {
    while (!this.#isPaused && !this.#request.aborted) {
      const next = this.#kept?.shift()
      if (next === undefined) {
        this.#kept = undefined
        this.#resume?.()
        return
      }
      if (next() === false) this.#isPaused = true
    }
  }

  /**
   * While its end is kept the request is `completed`, as undici says of it then: what becomes of the connection is no error of
   * this request any more. (One whose answer comes before its end has its connection reset at once.) Its own members are
   * called as before the end.
   */
  #call(name: keyof Names, args: unknown[]): unknown {
    if (!this.#hasEnded) return this.#real[name].apply(this.#request, args)
    this.#request.completed = false
    try {
      return this.#real[name].apply(this.#request, args)
    } finally {
      this.#request.completed = true
    }
  }
}

/**
 * Whether an answer is that of a stream of HTTP/2: its `resume` answers with the stream. That of a parser, which is not paused yet,
 * does nothing. (HTTP/2 has no text of its status; nor have the answers of some servers over HTTP/1.)
 */
function isOfStream(resume: () => unknown): boolean {
  const stream = resume()
  return typeof stream === 'object' && stream !== null
}

function isAbort(error: unknown): boolean {
  const { name } = (error ?? {}) as { readonly name?: unknown }
  return name === 'AbortError' || name === 'TimeoutError'
}

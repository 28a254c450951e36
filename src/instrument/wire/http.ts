import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { setImmediate } from '../../host/globals.js'
import { diag } from '../../host/diagnostics.js'
import type { Watch } from '../open-access.js'
import { mayBeAccess } from './recognise.js'
import { RequestBodies } from './request-bodies.js'
import type { WireRequest } from './target.js'
import { WireAccess } from './wire-access.js'
import { unalterable } from './withheld-error.js'

const STARTED = 'http.client.request.start'
const ANSWERED = 'http.client.response.finish'

/**
 * Watches the requests of `node:http` and `node:https`, and of all that are built upon them.
 *
 * The first channel tells of a request when its end is sent, the second of its answer before anybody hears of it: with an
 * early answer that comes first.
 *
 * @returns ends it
 */
export function watchHttp(watch: Watch): () => void {
  const bodies = new RequestBodies()
  const holds = new WeakMap<ClientRequest, ResponseHold | undefined>()
  const holdOf = (request: ClientRequest): ResponseHold | undefined => {
    const hasTarget = (): boolean => headerOf(request, 'x-amz-target') !== undefined
    if (!mayBeAccess(request.method, request.path, hasTarget)) return undefined
    if (!holds.has(request)) {
      const access = WireAccess.begin(watch, described(request), () => bodies.take(request))
      holds.set(request, access && new ResponseHold(request, access))
    }
    return holds.get(request)
  }
  const onStarted = guarded(({ request }) => void holdOf(request))
  const onAnswered = guarded(({ request }) => holdOf(request)?.expect())
  subscribe(STARTED, onStarted)
  subscribe(ANSWERED, onAnswered)
  return () => {
    unsubscribe(STARTED, onStarted)
    unsubscribe(ANSWERED, onAnswered)
    bodies.restore()
  }
}

/** What a subscriber throws would end the process. */
function guarded(work: (message: { readonly request: ClientRequest }) => void): (message: unknown) => void {
  return (message) => {
    try {
      work(message as { readonly request: ClientRequest })
    } catch (error) {
      diag.error('otel-audit: a request could not be looked at; it is not audited at the wire', error)
    }
  }
}

function described(request: ClientRequest): WireRequest {
  const { method, path } = request
  const header = (name: string): string | undefined => headerOf(request, name)
  return { method, path, header, host: (header('host') ?? request.host).toLowerCase() }
}

/** Headers that were given as a list are in none of the maps, and only in the head as it is sent. */
function headerOf(request: ClientRequest, name: string): string | undefined {
  const value = request.getHeader(name)
  if (value !== undefined) return Array.isArray(value) ? value[0] : String(value)
  const sent: unknown = request.getHeaderNames().length === 0 ? Reflect.get(request, '_header') : undefined
  if (typeof sent !== 'string') return undefined
  return sent
    .split('\r\n')
    .find((line) => line.toLowerCase().startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim()
}

type Emit = (this: unknown, name: string | symbol, ...args: readonly unknown[]) => boolean

/** As it is now, to be called with its object later. */
const methodOf = (object: object, name: string): unknown => Reflect.get(object, name)

/**
 * Holds the answer to one request back until its row is committed, by the request's own `emit`.
 *
 * ```
 *   waiting ──response──► holding ──committed──► passed       passed: every event goes its way
 *      │                     │ ├─ refused: destroyed with the AuditError
 *      │                     │ └─ the server died: its error, and no response
 *      └── error, close ─────┴── the application destroyed it ──► passed
 * ```
 *
 * While it holds, `close` is held too: what comes behind a response must not come before it.
 */
class ResponseHold {
  readonly #request: ClientRequest
  readonly #access: WireAccess
  #state: 'waiting' | 'holding' | 'passed' = 'waiting'
  #emit: Emit
  #own: Emit
  #isDestroyed = false
  #isCloseHeld = false
  #death: Error | undefined
  /** Told before `close`: of a response that it has whole, Node from version 24 on tells nothing when it is destroyed. */
  #owed: Error | undefined

  constructor(request: ClientRequest, access: WireAccess) {
    this.#request = request
    this.#access = access
    this.#emit = methodOf(request, 'emit') as Emit
    this.#own = this.#install()
    const destroy = methodOf(request, 'destroy') as (error?: Error) => ClientRequest
    request.destroy = (error?: Error) => {
      this.#isDestroyed = true
      // As without a hold: the application has seen no response.
      if (this.#state === 'holding') this.#owed = error ?? hangUp()
      return destroy.call(request, this.#owed ?? error)
    }
  }

  /** The answer comes next. Whoever has put an `emit` in front of ours meanwhile would get it first. */
  expect(): void {
    if (this.#state !== 'waiting') return
    if (methodOf(this.#request, 'emit') !== this.#own) {
      this.#emit = methodOf(this.#request, 'emit') as Emit
      this.#own = this.#install()
    }
    setImmediate(() => {
      if (this.#state !== 'waiting') return
      this.#state = 'passed'
      this.#access.notHeld()
    })
  }

  #install(): Emit {
    const emit: Emit = (name, ...args) => this.#on(name, args)
    this.#request.emit = emit as ClientRequest['emit']
    return emit
  }

  #pass(name: string | symbol, args: readonly unknown[]): boolean {
    return this.#emit.call(this.#request, name, ...args)
  }

  #on(name: string | symbol, args: readonly unknown[]): boolean {
    if (name === 'error') this.#owed = undefined
    if (name === 'close' && this.#owed !== undefined) this.#pass('error', [this.#takeOwed()])
    if (this.#state === 'passed') return this.#pass(name, args)
    if (name === 'response' && this.#state === 'waiting') return this.#answered(args[0] as IncomingMessage)
    if (name === 'close' && this.#state === 'holding' && !this.#isDestroyed) {
      this.#isCloseHeld = true
      return true
    }
    if (name === 'error' || name === 'close' || name === 'upgrade' || name === 'connect') {
      this.#state = 'passed'
      if (name === 'error' || name === 'close') this.#access.failed(this.#isDestroyed)
    }
    return this.#pass(name, args)
  }

  #answered(response: IncomingMessage): boolean {
    const header = (name: string): string | undefined => {
      const value = response.headers[name]
      return Array.isArray(value) ? value[0] : value
    }
    const held = this.#access.head(response.statusCode ?? 0, header)
    response.once('close', () => this.#access.ended())
    if (held === undefined) {
      this.#state = 'passed'
      if (this.#access.wantsRefusal) this.#listenTo(response)
      return this.#pass('response', [response])
    }
    this.#state = 'holding'
    const onDeath = (error: Error): void => {
      this.#death ??= error
    }
    // Nobody else listens yet.
    response.on('error', onDeath)
    // Not in the promise: what a listener of the application throws is an uncaught exception, as without a hold.
    held.then(
      () => process.nextTick(() => this.#release(response, onDeath)),
      (error: unknown) => process.nextTick(() => this.#refuse(response, error)),
    )
    return true
  }

  #release(response: IncomingMessage, onDeath: (error: Error) => void): void {
    if (this.#state !== 'holding') return
    this.#state = 'passed'
    if (this.#death !== undefined) {
      this.#pass('error', [this.#death])
    } else {
      response.off('error', onDeath)
      if (!this.#pass('response', [response])) response.resume()
    }
    this.#passClose()
  }

  /** The failure is Node's own, where the connection is still there. */
  #refuse(response: IncomingMessage, error: unknown): void {
    if (this.#state !== 'holding') return
    this.#state = 'passed'
    const shown = unalterable(error)
    if (!this.#request.destroyed) {
      this.#owed = shown
      this.#request.destroy(shown)
      return
    }
    response.destroy()
    this.#pass('error', [shown])
    this.#passClose()
  }

  #takeOwed(): Error | undefined {
    const owed = this.#owed
    this.#owed = undefined
    return owed
  }

  #passClose(): void {
    if (this.#isCloseHeld) process.nextTick(() => this.#pass('close', []))
  }

  /** Reads along what is pushed, so that the application gets every byte of it, and at once. */
  #listenTo(response: IncomingMessage): void {
    const push = methodOf(response, 'push') as IncomingMessage['push']
    response.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk instanceof Uint8Array) this.#access.refusalBody(chunk)
      else if (chunk === null) this.#access.ended()
      return push.call(response, chunk, encoding)
    }
  }
}

/** As Node makes it for a connection that ends without a response. */
function hangUp(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
}

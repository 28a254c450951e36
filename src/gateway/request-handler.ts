import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SetAside } from '../contract/sink.js'
import { clearTimeout, performance, setTimeout, wallClock } from '../host/globals.js'
import { FailureLog } from '../server/failure-log.js'
import { answer, type Status } from './answer.js'
import { BadBody, type Bodies, Crowded, decoded, KNOWN_CODINGS } from './body.js'
import { type Incoming, incomingOf, isIncoming } from './incoming.js'
import type { Intake, Verdict } from './intake.js'
import { malformedAside } from './kept-aside.js'
import type { GatewayMetrics } from './metrics.js'
import type { OwnClock } from './own-clock.js'
import { Patience } from './patience.js'
import { type FoundEvent, Malformed, type Signal } from './otlp/found-event.js'
import { readJsonResource } from './otlp/json.js'
import { readResource } from './otlp/protobuf.js'
import { JsonSlicer, ProtobufSlicer, TooLarge } from './otlp/slices.js'
import { SPAN_EVENT_NAME } from '../otel/span-event.js'
import type { Sender } from './sender.js'
import type { Identified, Senders } from './senders.js'

export interface HandlerLimits {
  /** Bytes of a request beyond which what has come of it is stored before more is read. */
  readonly part: number
  /** Bytes of one resource with its spans; as JSON, which takes many times its length when it is read. */
  readonly resource: number
  readonly jsonResource: number
  /** Audit events of one resource. */
  readonly events: number
  /** Bytes of a whole body, after decompression. */
  readonly body: number
  /** Requests at once. */
  readonly requests: number
  /** How long a request may take, in ms: then its sender is to send it again, and joins what is on its way. */
  readonly deadlineMs: number
  /** How long its body may take, in ms; not counted is what is stored while it comes. */
  readonly bodyMs: number
  /** How long a body may let this wait while other requests are turned away, in ms. */
  readonly crowdedMs: number
  /** How long its head may take, in ms. */
  readonly headMs: number
}

export const HANDLER_LIMITS: HandlerLimits = Object.freeze({
  part: 16 * 1024 * 1024,
  resource: 64 * 1024 * 1024,
  jsonResource: 8 * 1024 * 1024,
  events: 32_768,
  body: 256 * 1024 * 1024,
  requests: 32,
  // Of a collector's exporter the time-out is 5 s: it must hear the answer.
  deadlineMs: 4000,
  bodyMs: 30_000,
  crowdedMs: 2000,
  headMs: 10_000,
})

/** How long what is left of a request may take when its body took long, in ms. */
const LEAST_MS = 1000

/** Nothing of the request is known to be stored; whoever may know is told why. */
class Unavailable extends Error {
  override readonly name = 'Unavailable'
}

export interface HandlerParts {
  readonly intake: Intake
  readonly bodies: Bodies
  readonly senders: Senders
  readonly metrics: GatewayMetrics
  readonly clock: OwnClock
  readonly limits: HandlerLimits
  /** Whether a credential that does not hold is answered by 401 in place of 503. */
  readonly rejectsBadCredentials: boolean
}

/**
 * Takes one OTLP request to its answer.
 *
 * A sender that has proven who it is gets 200 or 503, whatever the body says: every other answer makes a collector drop what it
 * has. 200 is said only when every audit event of the request is committed or kept aside, in the database. What is not a
 * message of the protocol is kept aside too, since its sender would send it for ever.
 */
export class RequestHandler {
  readonly #parts: HandlerParts
  /** Whoever tries credentials must not fill the log. */
  readonly #failures = new FailureLog()
  /** Of the requests whose bodies are not there yet. */
  readonly #reading = new Set<Patience>()
  #open = 0
  #isClosing = false

  constructor(parts: HandlerParts) {
    this.#parts = parts
  }

  /** Requests that are not answered yet. */
  get open(): number {
    return this.#open
  }

  /** From now on requests are told to come again. Those that are being answered are answered. */
  close(): void {
    this.#isClosing = true
  }

  /** Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse, signal: Signal): Promise<void> {
    const began = performance.now()
    const isJson = isJsonType(request.headers['content-type'])
    this.#open++
    try {
      await this.#handle(request, response, signal, began, isJson)
    } catch (error) {
      const why = error instanceof Unavailable ? error.message : 'the gateway failed; its log says why'
      if (!(error instanceof Unavailable)) this.#failures.failed('a request failed', error)
      answer(response, 503, isJson, why)
    } finally {
      this.#open--
      // One that went away has no answer.
      if (response.headersSent) {
        this.#parts.metrics.answered(response.statusCode, signal, (performance.now() - began) / 1000)
      }
    }
  }

  async #handle(
    request: IncomingMessage,
    response: ServerResponse,
    signal: Signal,
    began: number,
    isJson: boolean,
  ): Promise<void> {
    const { senders, limits } = this.#parts
    const say = (status: Status, message: string): void => answer(response, status, isJson, message)
    const identified = await within(limits.deadlineMs, senders.identify(request))
    if (identified.is !== 'sender') return this.#turnAway(response, isJson, identified)
    const { sender } = identified
    if (this.#isClosing) return say(503, 'the gateway is shutting down')
    if (this.#open > limits.requests && !this.#endsSlowest())
      return say(503, `${limits.requests} requests are being answered already`)
    const type = mediaType(request.headers['content-type'])
    if (type !== 'application/x-protobuf' && type !== 'application/json') {
      return say(415, 'the content type must be application/x-protobuf or application/json')
    }
    if (Number(request.headers['content-length'] ?? 0) > limits.body) {
      return say(413, `the body has more than ${limits.body} bytes: set a smaller batch.max_size`)
    }
    const chunks = decoded(request, request.headers['content-encoding'])
    if (chunks === undefined) return say(415, `the content encoding must be ${KNOWN_CODINGS.join(', ')}`)
    const patience = new Patience(limits.bodyMs, () => request.destroy())
    this.#reading.add(patience)
    const work = this.#take(chunks, signal, isJson, sender, patience)
    // The body is bounded by a time of its own; a large one is stored while it comes.
    const body = new Promise<void>((resolve) => request.once('close', resolve).once('end', resolve))
    const late = (async (): Promise<Verdict> => {
      await body
      patience.over()
      this.#reading.delete(patience)
      const left = limits.deadlineMs - (performance.now() - began)
      return new Promise((resolve) => {
        const timer = setTimeout(
          () => resolve({ is: 'unavailable', why: `not committed within ${limits.deadlineMs} ms` }),
          Math.max(LEAST_MS, left),
        )
        const end = (): void => clearTimeout(timer)
        void work.then(end, end)
      })
    })()
    try {
      const verdict = await Promise.race([work, late])
      if (verdict.is === 'stored') answer(response, 200, isJson)
      else say(503, verdict.why)
    } catch (error) {
      if (error instanceof TooLarge) {
        // A sender that is still sending would not hear the answer, and send it all again.
        request.resume()
        await body
        say(413, `${error.message} is too large: set a smaller batch.max_size`)
      } else if (error instanceof Crowded) say(503, error.message)
      else if (request.errored || request.destroyed) response.destroy()
      else throw error
    } finally {
      patience.over()
      this.#reading.delete(patience)
      work.catch(() => undefined)
    }
  }

  /**
   * Ends the request that has had this wait for its body the longest, if it is long enough: whoever sends nothing must not keep
   * everybody else out.
   */
  #endsSlowest(): boolean {
    let slowest: Patience | undefined
    for (const one of this.#reading) {
      if (slowest === undefined || one.waitedMs > slowest.waitedMs) slowest = one
    }
    if (slowest === undefined || slowest.waitedMs < this.#parts.limits.crowdedMs) return false
    this.#reading.delete(slowest)
    slowest.lose()
    return true
  }

  #turnAway(
    response: ServerResponse,
    isJson: boolean,
    identified: Exclude<Identified, { is: 'sender' }>,
  ): void {
    const challenge = { 'www-authenticate': 'Bearer realm="secret audit gateway"', connection: 'close' }
    if (identified.is === 'nobody') {
      answer(response, 401, isJson, 'a client certificate or a bearer token is required', challenge)
      return
    }
    this.#parts.metrics.count('bad_credentials')
    this.#failures.failed('a sender has a credential that does not hold', new Error(identified.why))
    // It may have been rotated, or the issuer be away: a final answer would cost what the sender has.
    if (this.#parts.rejectsBadCredentials && identified.is === 'bad')
      answer(response, 401, isJson, '', challenge)
    else answer(response, 503, isJson, '', { connection: 'close' })
  }

  /** @throws Crowded, TooLarge, Unavailable, and what the connection throws */
  async #take(
    chunks: AsyncIterable<Buffer>,
    signal: Signal,
    isJson: boolean,
    sender: Sender,
    patience: Patience,
  ): Promise<Verdict> {
    const { bodies, limits } = this.#parts
    const slicer = isJson ? new JsonSlicer(limits.jsonResource) : new ProtobufSlicer(limits.resource)
    let pending: Buffer[] = []
    const store = async (): Promise<Verdict> => {
      const slices = pending
      pending = []
      return this.#store(slices, signal, isJson, sender, [])
    }
    try {
      await bodies.read(
        chunks,
        slicer,
        limits.part,
        (slices) => {
          let bytes = 0
          for (const slice of slices) {
            const events = eventsIn(slice)
            if (events === 0 && !isJson) continue
            if (events > limits.events) throw new TooLarge(`one resource with ${events} audit events`)
            pending.push(slice)
            bytes += slice.length + events * BYTES_OF_EVENT
          }
          return bytes
        },
        async () => {
          const verdict = await patience.during(store)
          if (verdict.is !== 'stored') throw new Unavailable(verdict.why)
        },
      )
    } catch (error) {
      if (!(error instanceof BadBody)) throw error
      const item = malformedAside(error.head, signal, isJson, sender.name, wallClock())
      return this.#store(pending, signal, isJson, sender, [item])
    }
    return store()
  }

  async #store(
    slices: readonly Buffer[],
    signal: Signal,
    isJson: boolean,
    sender: Sender,
    more: readonly SetAside[],
  ): Promise<Verdict> {
    const { intake, metrics, clock } = this.#parts
    const read = isJson ? readJsonResource : readResource
    const incoming: Incoming[] = []
    const aside: SetAside[] = [...more]
    const now = wallClock()
    let bytes = 0
    for (const slice of slices) {
      let found: readonly FoundEvent[]
      try {
        found = read(slice, signal)
      } catch (error) {
        if (!(error instanceof Malformed)) throw error
        aside.push(malformedAside(slice, signal, isJson, sender.name, now))
        continue
      }
      if (found.length > 0) bytes += slice.length
      for (const event of found) {
        const taken = incomingOf(event, sender, now)
        if (isIncoming(taken)) incoming.push(taken)
        else aside.push(taken)
      }
    }
    if (aside.some(({ reason }) => reason === 'clock') && !(await clock.isSound())) {
      return { is: 'unavailable', why: 'the clocks of this gateway and of the database are an hour apart' }
    }
    metrics.count('events', incoming.length + aside.length)
    metrics.count('skewed', incoming.filter(({ isSkewed }) => isSkewed).length)
    metrics.count('truncated', incoming.filter(({ isCut }) => isCut).length)
    metrics.count('mismatch', incoming.filter(({ isMismatch }) => isMismatch).length)
    for (const { reason } of aside) metrics.quarantined(reason)
    return intake.store(incoming, aside, bytes)
  }
}

/** What an event takes until it is stored, beside what came, in bytes. */
const BYTES_OF_EVENT = 2048

/** How often the name of an audit event stands in it. JSON may have it written otherwise. */
function eventsIn(slice: Buffer): number {
  let events = 0
  for (let at = slice.indexOf(NAME); at !== -1; at = slice.indexOf(NAME, at + NAME.length)) events++
  return events
}

const NAME = Buffer.from(SPAN_EVENT_NAME)

/** An issuer may be silent for longer than a sender waits. */
async function within(ms: number, identifying: Promise<Identified>): Promise<Identified> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<Identified>((resolve) => {
    const why = 'the credential could not be checked in time'
    timer = setTimeout(() => resolve({ is: 'unknown', why }), ms)
  })
  try {
    return await Promise.race([identifying, late])
  } finally {
    clearTimeout(timer)
  }
}

function mediaType(header: string | undefined): string {
  return header?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

function isJsonType(header: string | undefined): boolean {
  return mediaType(header) === 'application/json'
}

import { eventDigest } from '../event/digest.js'
import type { AuditEvent } from '../event/event.js'
import { Ticket } from '../contract/ticket.js'
import type { BatchEntry, SetAside } from '../contract/sink.js'
import type { DurableAuditExporter } from '../exporter/exporter.js'
import type { Incoming } from './incoming.js'
import { asideEvent, worthKeeping } from './kept-aside.js'

/** What a request is told: everything of it is committed, or not, and then why. */
export type Verdict = { readonly is: 'stored' } | { readonly is: 'unavailable'; readonly why: string }

const STORED: Verdict = Object.freeze({ is: 'stored' })

/** How one event ended for those who wait for it. `refused`: the database can never store it. */
type End = 'stored' | 'refused' | 'lost'
type Listener = (end: End, reason: string | undefined) => void

export interface IntakeBounds {
  /** Most events held at once. A larger request is taken when nothing else is held, in parts of so many. */
  readonly rows: number
  /** Most bytes of them, as they came. */
  readonly bytes: number
}

/** An event, and what the same again has too. */
interface Keyed {
  readonly one: Incoming
  readonly key: string
}

function keyOf(event: AuditEvent, [bare = event]: readonly AuditEvent[]): string {
  return `${bare.auditId}/${eventDigest(bare).toString('latin1')}`
}

type Pipeline = Pick<DurableAuditExporter, 'takeIn'>

/**
 * Takes the events of requests to the exporter, and says when all of a request are committed.
 *
 * * **Room** is looked for before the first event of a request is taken. One that finds none is refused whole, and nothing of
 *   it is held. What of it is held already needs none: else whoever sends again what this holds would be refused until the
 *   database has taken all of it, and never hear that it has.
 * * **The same again** (equal ids and digests, without what a gateway adds) joins the one that is on its way: a request that
 *   is sent again because its first copy was not answered waits for that, and does not make a conflict. Never by id alone:
 *   two different events may have one.
 * * What the database can never store is kept aside instead, with a row about it.
 */
export class Intake {
  readonly #pipeline: Pipeline
  readonly #bounds: IntakeBounds
  readonly #inFlight = new Map<string, Listener[]>()
  #rows = 0
  #bytes = 0

  constructor(pipeline: Pipeline, bounds: IntakeBounds) {
    this.#pipeline = pipeline
    this.#bounds = bounds
  }

  /** Events that are held. */
  get held(): number {
    return this.#rows
  }

  /**
   * Stores events, and keeps aside what is not one. Resolves when both are committed, or known not to be. Never rejects.
   *
   * @param bytes of all of it, as it came
   */
  async store(incoming: readonly Incoming[], aside: readonly SetAside[], bytes: number): Promise<Verdict> {
    const { rows } = this.#bounds
    const isAlone = this.#rows === 0
    const all = incoming.map((one) => ({ one, key: keyOf(one.event, one.alike) }))
    const joining = all.reduce((count, { key }) => (this.#inFlight.has(key) ? count + 1 : count), 0)
    const more = joining === 0 ? bytes : Math.ceil((bytes * (all.length - joining)) / all.length)
    const fits = this.#rows + all.length - joining <= rows && this.#bytes + more <= this.#bounds.bytes
    if (!fits && !isAlone) return { is: 'unavailable', why: `${this.#rows} events are held already` }
    this.#bytes += more
    try {
      const refused: SetAside[] = [...aside]
      for (let at = 0; at < all.length; at += rows) {
        const lost = await this.#take(all.slice(at, at + rows), refused)
        if (lost !== undefined) return { is: 'unavailable', why: lost }
      }
      if (refused.length === 0) return STORED
      return await this.#keepAside(refused)
    } finally {
      this.#bytes -= more
    }
  }

  /** @param refused gets what the database can never store. @returns why one of them is not stored */
  #take(all: readonly Keyed[], refused: SetAside[]): Promise<string | undefined> {
    return new Promise((resolve) => {
      let open = all.length + 1
      let lost: string | undefined
      const ended = (): void => {
        if (--open === 0) resolve(lost)
      }
      for (const { one, key } of all) {
        this.#submit(one.event, one.alike, key, undefined, (end, reason) => {
          if (end === 'refused') refused.push(one.aside('refused'))
          else if (end === 'lost') lost ??= reason ?? 'an event could not be stored'
          ended()
        })
      }
      // An event may end before the next one is taken.
      ended()
    })
  }

  #keepAside(items: readonly SetAside[]): Promise<Verdict> {
    const event = asideEvent(items)
    return new Promise((resolve) => {
      this.#submit(event, [event], keyOf(event, []), worthKeeping(items), (end, reason) => {
        resolve(
          end === 'stored'
            ? STORED
            : { is: 'unavailable', why: `what is not an event cannot be kept: ${reason ?? end}` },
        )
      })
    })
  }

  #submit(
    event: AuditEvent,
    alike: readonly AuditEvent[],
    key: string,
    setAside: BatchEntry['setAside'],
    listener: Listener,
  ): void {
    const waiting = this.#inFlight.get(key)
    if (waiting !== undefined) {
      waiting.push(listener)
      return
    }
    const listeners = [listener]
    this.#inFlight.set(key, listeners)
    this.#rows++
    const ticket = new Ticket('async', 0, 0)
    ticket.seal(event)
    this.#pipeline.takeIn(
      ticket,
      (fate, reason) => {
        this.#rows--
        this.#inFlight.delete(key)
        const end = fate === 'stored' || fate === 'refused' ? fate : 'lost'
        for (const told of listeners) told(end, reason)
      },
      { alike, setAside },
    )
  }
}

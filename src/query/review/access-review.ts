import { AuditError } from '../../errors.js'
import type { AuditEvent } from '../../event/fields.js'
import { formatTime } from '../../event/time.js'
import { Operation, TRAIL_OPERATIONS } from '../../event/vocabulary.js'
import type { ReviewWindow } from './window.js'

/** What of an event names who asked: the actor, else the worker, else the service that recorded it. */
type ActorKind = 'actor' | 'worker' | 'service' | 'unknown'

/**
 * `first seen` pairs had no access before the window; `dormant` ones had some, and none in it; `known` ones had both. Only as
 * far back as the trail has rows.
 */
type Standing = 'first seen' | 'known' | 'dormant'

/** One credential and one who accessed it, in the window or before. */
export interface ReviewedPair {
  readonly credential: string
  readonly actor: string | null
  readonly actor_kind: ActorKind
  readonly standing: Standing
  /** Of the credential: whether anybody accessed it in the window. */
  readonly credential_standing: Standing
  readonly accesses: number
  /** Accesses that did not end with `ok`, or whose end is not known. */
  readonly denied: number
  /** In the window. */
  readonly first_access: string | null
  readonly last_access: string | null
  /** The last one before the window. */
  readonly last_before: string | null
}

export interface AccessReview {
  /** By credential, then by actor. */
  readonly pairs: readonly ReviewedPair[]
  readonly credentials: { readonly accessed: number; readonly first_seen: number; readonly dormant: number }
  readonly accesses: number
  readonly denied: number
  /** Events of the window that are known to be missing from the trail. */
  readonly lost: number
  /** When the first access of the trail was: before it nothing is known. */
  readonly known_from: string | null
}

/** Most pairs that are held: of more, a review is of a part of the credentials. */
const MOST_PAIRS = 1_000_000

interface Pair {
  readonly credential: string
  readonly actor: string | null
  readonly kind: ActorKind
  accesses: number
  denied: number
  first: number | undefined
  last: number | undefined
  before: number | undefined
}

/** Outcomes of accesses that were granted, or that may have been. */
const GRANTED: ReadonlySet<string> = new Set(['ok', 'requested'])

/** Counts the accesses of a trail, as its rows come by in any order. */
export class ReviewTally {
  readonly #window: ReviewWindow
  readonly #mostPairs: number
  readonly #pairs = new Map<string, Pair>()
  #lost = 0
  #knownFrom: number | undefined

  constructor(window: ReviewWindow, mostPairs = MOST_PAIRS) {
    this.#window = window
    this.#mostPairs = mostPairs
  }

  /** @throws AuditError `AUDIT_INVALID_QUERY` when there are more pairs than can be held */
  add(event: AuditEvent): void {
    const { operation, outcome, occurredAt } = event
    const { from, to } = this.#window
    if (occurredAt >= to) return
    if (operation === Operation.AuditGap) {
      if (occurredAt >= from) this.#lost += countOf(event)
      return
    }
    if (TRAIL_OPERATIONS.includes(operation)) return
    if (this.#knownFrom === undefined || occurredAt < this.#knownFrom) this.#knownFrom = occurredAt
    const pair = this.#pairOf(event)
    if (occurredAt < from) {
      pair.before = Math.max(pair.before ?? occurredAt, occurredAt)
      return
    }
    pair.accesses++
    if (!GRANTED.has(outcome)) pair.denied++
    pair.first = Math.min(pair.first ?? occurredAt, occurredAt)
    pair.last = Math.max(pair.last ?? occurredAt, occurredAt)
  }

  review(): AccessReview {
    const all = [...this.#pairs.values()].sort(inOrder)
    const standings = standingsOf(all)
    const credentials = [...standings.values()]
    const count = (standing: Standing): number => credentials.filter((one) => one === standing).length
    return {
      pairs: all.map((pair) => reviewed(pair, standings.get(pair.credential) ?? 'known')),
      credentials: {
        accessed: credentials.length - count('dormant'),
        first_seen: count('first seen'),
        dormant: count('dormant'),
      },
      accesses: all.reduce((sum, { accesses }) => sum + accesses, 0),
      denied: all.reduce((sum, { denied }) => sum + denied, 0),
      lost: this.#lost,
      known_from: timeOf(this.#knownFrom),
    }
  }

  #pairOf(event: AuditEvent): Pair {
    const { credential } = event
    const { actor, kind } = whoOf(event)
    // No text of a row has a control character.
    const key = `${credential}\n${kind}\n${actor ?? ''}`
    let pair = this.#pairs.get(key)
    if (pair === undefined) {
      if (this.#pairs.size >= this.#mostPairs) {
        throw new AuditError(
          'AUDIT_INVALID_QUERY',
          `there are more than ${this.#mostPairs} pairs of credential and actor: review a part of them, with --credential and a prefix`,
          { field: 'credential' },
        )
      }
      const [first, last, before] = [undefined, undefined, undefined]
      pair = { credential, actor, kind, accesses: 0, denied: 0, first, last, before }
      this.#pairs.set(key, pair)
    }
    return pair
  }
}

/** Who asked, as far as the event says. */
function whoOf({ actorId, workerId, serviceName }: AuditEvent): {
  readonly actor: string | null
  readonly kind: ActorKind
} {
  if (actorId !== null) return { actor: actorId, kind: 'actor' }
  if (workerId !== null) return { actor: workerId, kind: 'worker' }
  if (serviceName !== null) return { actor: serviceName, kind: 'service' }
  return { actor: null, kind: 'unknown' }
}

/** What a row about lost events counts. Whoever may write may have written anything. */
function countOf({ attributesJson }: AuditEvent): number {
  const [, count] = /"count":(\d{1,15})[,}]/.exec(attributesJson ?? '') ?? []
  return Number(count ?? 0)
}

function standingOf({ accesses, before }: Pick<Pair, 'accesses' | 'before'>): Standing {
  if (accesses === 0) return 'dormant'
  return before === undefined ? 'first seen' : 'known'
}

function standingsOf(pairs: readonly Pair[]): ReadonlyMap<string, Standing> {
  const sums = new Map<string, { accesses: number; before: number | undefined }>()
  for (const { credential, accesses, before } of pairs) {
    const sum = sums.get(credential)
    sums.set(credential, {
      accesses: accesses + (sum?.accesses ?? 0),
      before: before ?? sum?.before,
    })
  }
  return new Map([...sums].map(([credential, sum]) => [credential, standingOf(sum)]))
}

function reviewed(pair: Pair, credential_standing: Standing): ReviewedPair {
  return {
    credential: pair.credential,
    actor: pair.actor,
    actor_kind: pair.kind,
    standing: standingOf(pair),
    credential_standing,
    accesses: pair.accesses,
    denied: pair.denied,
    first_access: timeOf(pair.first),
    last_access: timeOf(pair.last),
    last_before: timeOf(pair.before),
  }
}

function timeOf(micros: number | undefined): string | null {
  return micros === undefined ? null : formatTime(micros)
}

function inOrder(a: Pair, b: Pair): number {
  return (
    compare(a.credential, b.credential) || compare(a.kind, b.kind) || compare(a.actor ?? '', b.actor ?? '')
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

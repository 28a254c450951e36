import { SeededRandom } from '../random.js'
import type { Cut } from '../schedule.js'

/** How often a gateway is in the plan. */
export const GATEWAYS = 2

/** What there is to be killed, beside the sender, the gateways and Postgres. */
export interface Parts {
  /** A collector before the first gateway. */
  readonly collector: boolean
  /** Of Kafka. 0: nothing comes that way. */
  readonly brokers: number
  /** Postgres has a standby. */
  readonly standby: boolean
}

/** Who is killed and started again. `producer`: the collector before Kafka. `consumer`: one behind it. */
export type Victim = 'gateway' | 'collector' | 'producer' | 'consumer' | 'broker'

/** How a primary goes away before its standby is promoted: killed, stopped in order, or silent, and killed later. */
export type Departure = 'crash' | 'switchover' | 'freeze'

/** One kill. Times are in ms. */
export type GatewayKill = { readonly afterMs: number } & (
  | {
      /** SIGKILL. */
      readonly what: 'sender'
    }
  | {
      readonly what: Victim
      readonly which: number
      readonly signal: 'SIGKILL' | 'SIGTERM'
      readonly awayMs: number
    }
  | {
      /** SIGSTOP of a gateway, and SIGCONT: some shorter than its senders' patience, some longer. */
      readonly what: 'stop'
      readonly which: number
      readonly awayMs: number
    }
  | {
      /** SIGKILL of the whole server; SIGSTOP of it, and SIGCONT. */
      readonly what: 'crash' | 'freeze'
      readonly awayMs: number
    }
  | {
      /** The standby is promoted. What was the primary is its standby `awayMs` later. */
      readonly what: 'failover'
      readonly departure: Departure
      readonly awayMs: number
    }
  | {
      /** `pg_terminate_backend` of all sessions of gateways. */
      readonly what: 'terminate'
    }
  | {
      /** Connections between gateways and server, or between senders and a gateway. */
      readonly what: 'cut'
      readonly of: 'server' | 'senders'
      readonly which: number
      readonly cut: Cut
      readonly awayMs: number
    }
  | {
      /** What passes between the same arrives so much later. */
      readonly what: 'slow'
      readonly of: 'server' | 'senders'
      readonly which: number
      readonly delayMs: number
      readonly awayMs: number
    }
)

/** In an order that the seed decides, and then again in another one. */
function kindsOf({ collector, brokers, standby }: Parts) {
  return [
    'sender',
    'gateway',
    'gateway',
    'gateway',
    'stop',
    'crash',
    'freeze',
    'terminate',
    'cut server',
    'cut senders',
    'slow',
    ...(collector ? (['collector', 'collector'] as const) : []),
    ...(brokers > 0 ? (['broker', 'broker', 'producer', 'producer', 'consumer', 'consumer'] as const) : []),
    ...(standby ? (['failover', 'failover', 'failover'] as const) : []),
  ] as const
}

/** The kills of a seed, without an end. The same seed gives the same kills. */
export function* gatewaySchedule(seed: number, parts: Parts): Generator<GatewayKill, never> {
  const random = new SeededRandom(seed)
  const kinds = kindsOf(parts)
  for (;;) {
    for (const what of random.shuffled<(typeof kinds)[number]>(kinds)) {
      const afterMs = random.between(50, 1200)
      const which = random.between(0, GATEWAYS - 1)
      switch (what) {
        case 'sender':
        case 'terminate':
          yield { what, afterMs }
          break
        case 'gateway':
        case 'collector':
        case 'producer':
        case 'consumer':
        case 'broker': {
          const signal = random.next() < 0.7 ? 'SIGKILL' : 'SIGTERM'
          const of = what === 'broker' ? random.between(0, parts.brokers - 1) : which
          yield { what, afterMs, which: of, signal, awayMs: random.between(0, 1500) }
          break
        }
        case 'stop':
          yield { what, afterMs, which, awayMs: random.between(200, 10_000) }
          break
        case 'crash':
        case 'freeze':
          yield { what, afterMs, awayMs: random.between(100, 2500) }
          break
        case 'failover': {
          const departure = random.pick<Departure>(['crash', 'switchover', 'freeze'])
          yield { what, afterMs, departure, awayMs: random.between(100, 4000) }
          break
        }
        case 'cut server':
        case 'cut senders':
          yield {
            what: 'cut',
            of: what === 'cut server' ? 'server' : 'senders',
            afterMs,
            which,
            cut: random.pick(['now', 'request', 'answer', 'mute']),
            awayMs: random.between(100, 2000),
          }
          break
        case 'slow':
          yield {
            what,
            of: random.pick(['server', 'senders']),
            afterMs,
            which,
            delayMs: random.between(20, 1500),
            awayMs: random.between(500, 6000),
          }
          break
      }
    }
  }
}

const NAMES: Readonly<Record<Victim, string>> = {
  gateway: 'gateway',
  collector: 'the collector',
  producer: 'the collector before Kafka',
  consumer: 'collector',
  broker: 'broker',
}
const SINGLE: ReadonlySet<Victim> = new Set(['collector', 'producer'])

/** For a person to read. */
export function describeGatewayKill(kill: GatewayKill): string {
  switch (kill.what) {
    case 'sender':
      return 'SIGKILL of the sender'
    case 'gateway':
    case 'collector':
    case 'producer':
    case 'consumer':
    case 'broker': {
      const number = SINGLE.has(kill.what) ? '' : ` ${kill.which + 1}`
      const behind = kill.what === 'consumer' ? ' behind Kafka' : ''
      return `${kill.signal} of ${NAMES[kill.what]}${number}${behind}, away for ${kill.awayMs} ms`
    }
    case 'stop':
      return `SIGSTOP of gateway ${kill.which + 1}, for ${kill.awayMs} ms`
    case 'crash':
      return `SIGKILL of Postgres, away for ${kill.awayMs} ms`
    case 'freeze':
      return `SIGSTOP of Postgres, for ${kill.awayMs} ms`
    case 'failover':
      return `promotion of the standby (${kill.departure} of the primary, a standby again after ${kill.awayMs} ms)`
    case 'terminate':
      return 'pg_terminate_backend'
    case 'cut': {
      const of = sideOf(kill)
      return kill.cut === 'mute' ? `silence of ${of} for ${kill.awayMs} ms` : `cut of ${of} (${kill.cut})`
    }
    case 'slow':
      return `${kill.delayMs} ms between ${sideOf(kill)}, for ${kill.awayMs} ms`
  }
}

function sideOf({ of, which }: { readonly of: 'server' | 'senders'; readonly which: number }): string {
  return of === 'server' ? 'Postgres and the gateways' : `the senders and gateway ${which + 1}`
}

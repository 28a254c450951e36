import { SeededRandom } from '../random.js'
import type { Cut } from '../schedule.js'

/** How often a gateway is in the plan. */
export const GATEWAYS = 2

/** One kill. Times are in ms. */
export type GatewayKill = { readonly afterMs: number } & (
  | {
      /** SIGKILL. */
      readonly what: 'sender'
    }
  | {
      readonly what: 'gateway' | 'collector'
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
)

/** Every ten kills are these (twelve with a collector), in an order that the seed decides. */
const TEN = [
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
] as const

/** The kills of a seed, without an end. The same seed gives the same kills. */
export function* gatewaySchedule(seed: number, withCollector: boolean): Generator<GatewayKill, never> {
  const random = new SeededRandom(seed)
  const kinds = withCollector ? ([...TEN, 'collector', 'collector'] as const) : TEN
  for (;;) {
    for (const what of random.shuffled<(typeof kinds)[number]>(kinds)) {
      const afterMs = random.between(50, 1200)
      const which = random.between(0, GATEWAYS - 1)
      switch (what) {
        case 'sender':
          yield { what, afterMs }
          break
        case 'gateway':
        case 'collector': {
          const signal = random.next() < 0.7 ? 'SIGKILL' : 'SIGTERM'
          yield { what, afterMs, which, signal, awayMs: random.between(0, 1500) }
          break
        }
        case 'stop':
          yield { what, afterMs, which, awayMs: random.between(200, 10_000) }
          break
        case 'crash':
        case 'freeze':
          yield { what, afterMs, awayMs: random.between(100, 2500) }
          break
        case 'terminate':
          yield { what, afterMs }
          break
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
      }
    }
  }
}

/** For a person to read. */
export function describeGatewayKill(kill: GatewayKill): string {
  switch (kill.what) {
    case 'sender':
      return 'SIGKILL of the sender'
    case 'gateway':
      return `${kill.signal} of gateway ${kill.which + 1}, away for ${kill.awayMs} ms`
    case 'collector':
      return `${kill.signal} of the collector, away for ${kill.awayMs} ms`
    case 'stop':
      return `SIGSTOP of gateway ${kill.which + 1}, for ${kill.awayMs} ms`
    case 'crash':
      return `SIGKILL of Postgres, away for ${kill.awayMs} ms`
    case 'freeze':
      return `SIGSTOP of Postgres, for ${kill.awayMs} ms`
    case 'terminate':
      return 'pg_terminate_backend'
    case 'cut': {
      const of = kill.of === 'server' ? 'Postgres' : `the senders of gateway ${kill.which + 1}`
      return kill.cut === 'mute' ? `silence of ${of} for ${kill.awayMs} ms` : `cut of ${of} (${kill.cut})`
    }
  }
}

import type { AuditFields } from 'otel-audit'
import type { SeededRandom } from '../../soak/random.js'
import {
  credentialOf,
  DENIED,
  executionOf,
  HOT_CREDENTIAL,
  RARE_OUTCOME,
  type Span,
  WINDOW_EXECUTIONS,
  WINDOW_ROWS,
} from '../query/fill.js'

/** What a trail of years is like: rows that came evenly over the time, about so many credentials. */
export interface Population extends Span {
  readonly rows: number
  readonly credentials: number
}

/** Of each month's writers at the same time. */
export const SERVICES = 12

const OPERATIONS = [
  [0.01, 'cross_region_broker_serve'],
  [0.1, 'get_sealed'],
  [0.3, 'resolve_keychain'],
] as const

const OUTCOMES = [
  [0.0001, 'wrong_region'],
  [0.0005, 'provider_fetch_error'],
  [0.002, 'broker_unreachable'],
  [0.006, DENIED[2]],
  [0.012, DENIED[1]],
  [0.02, DENIED[0]],
] as const

/** Access n of all, by the draws of `random`. The same shares as in the trail that `bench:query` reads. */
export function accessAt(n: number, population: Population, random: SeededRandom): AuditFields {
  const { rows } = population
  const execution = executionAt(n)
  const drawn = random.next()
  return {
    credential: credentialAt(n, population, random),
    operation: drawnOf(OPERATIONS, drawn, 'get_credential'),
    outcome: n % 200_000 === 0 ? RARE_OUTCOME : drawnOf(OUTCOMES, random.next(), 'ok'),
    workerId: `worker-${execution % 500}`,
    executionId: executionOf(execution),
    parentExecutionId: executionOf(-1 - Math.floor(execution / 10)),
    serverRegion: 'eu-central',
    brokerRegion: drawn < 0.01 ? 'us-east' : undefined,
    kekVersion: `kek-${Math.floor((n * 3) / rows)}`,
    notes: drawn > 0.9 ? 'read by the billing run of the night' : undefined,
    actorId: `workload-${execution % 300}`,
    actorType: 'service',
    sourceAddress: `10.${n % SERVICES}.0.${execution % 250}`,
    attributes: drawn < 0.3 ? ROUTE : undefined,
  }
}

const ROUTE = { 'http.route': '/v1/credentials/:id', attempt: 1 }

/** One row in ten reads the same one. Of the others, each tenth is retired after a third of the time. */
function credentialAt(n: number, { rows, credentials }: Population, random: SeededRandom): string {
  if (random.next() < 0.1) return HOT_CREDENTIAL
  const k = Math.floor(random.next() ** 3 * credentials)
  return credentialOf(k % 10 === 9 && n > rows / 3 ? k - 1 : k)
}

/** Executions of 1, 2, … 20 rows, as {@link WINDOW_ROWS} says. */
function executionAt(n: number): number {
  const place = ((n % WINDOW_ROWS) * 1009) % WINDOW_ROWS
  const among = Math.floor((Math.sqrt(8 * (place % 210) + 1) - 1) / 2)
  return Math.floor(n / WINDOW_ROWS) * WINDOW_EXECUTIONS + Math.floor(place / 210) * 20 + among
}

/** 32 lower-case hex digits that belong to the execution of a row. */
export function traceOf({ executionId }: AuditFields): string {
  const low = Number(BigInt.asUintN(32, BigInt(executionId ?? 0)))
  return [1, 2, 3, 4].map((salt) => mixed(low, salt)).join('')
}

/** 16 lower-case hex digits that belong to row n. */
export function spanOf(n: number): string {
  return mixed(n >>> 0, 5) + mixed(n >>> 0, 6)
}

/** 8 hex digits that look like any others: the finalizer of MurmurHash3, by Austin Appleby (public domain). */
function mixed(value: number, salt: number): string {
  let h = value ^ Math.imul(salt, 0x9e3779b9)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  const word = (h ^ (h >>> 16)) >>> 0
  return `${HEX[word >>> 16]}${HEX[word & 0xffff]}`
}

/** All words of 16 bits in hex: to write them anew would be a sixth of the time of filling. */
const HEX = Array.from({ length: 0x10000 }, (_, word) => word.toString(16).padStart(4, '0'))

function drawnOf<T extends string, Otherwise extends string>(
  shares: readonly (readonly [upTo: number, what: T])[],
  drawn: number,
  otherwise: Otherwise,
): T | Otherwise {
  return shares.find(([upTo]) => drawn < upTo)?.[1] ?? otherwise
}

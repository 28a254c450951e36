import { createHash, randomBytes, randomInt } from '../host/crypto.js'
import { hostname } from 'node:os'
import { threadId } from 'node:worker_threads'
import { AuditError } from '../errors.js'
import { INT8_MAX } from './int8.js'

/** 2024-01-01T00:00:00Z in milliseconds since the Unix epoch: the zero of the ids' time. */
export const SNOWFLAKE_EPOCH_MS = 1_704_067_200_000
/** The last millisecond that 41 bits can hold: 2093-09-06. */
export const SNOWFLAKE_LAST_MS = SNOWFLAKE_EPOCH_MS + 2 ** 41 - 1

const MACHINE_BITS = 10n
const SEQUENCE_BITS = 12n
/** Below the time. */
const LOWER_BITS: bigint = MACHINE_BITS + SEQUENCE_BITS
const LOWER_MASK = (1n << LOWER_BITS) - 1n
const SEQUENCES = 4096
/** How far ids may be ahead of the clock, in ms, before they follow it back. */
const MOST_LEAD_MS = 5 * 60_000
/** Half of the sequence space is left for counting up within the millisecond. */
const FIRST_SEQUENCES = 2048
/** Largest machine id. */
export const MACHINE_ID_MAX = 1023

/** The millisecond (Unix epoch) in an id. */
export function snowflakeTime(id: bigint): number {
  return Number(id >> LOWER_BITS) + SNOWFLAKE_EPOCH_MS
}

/** The smallest id of a millisecond (Unix epoch): 0 for all before 2024, the largest integer for all that 41 bits cannot hold. */
export function firstIdOf(unixMs: number): bigint {
  if (unixMs > SNOWFLAKE_LAST_MS) return INT8_MAX
  return BigInt(Math.max(0, Math.floor(unixMs) - SNOWFLAKE_EPOCH_MS)) << LOWER_BITS
}

/** The largest id of a millisecond (Unix epoch), or of the one nearest to it that ids can express. */
export function lastIdOf(unixMs: number): bigint {
  return firstIdOf(unixMs) | LOWER_MASK
}

/** `id` with its lower 22 bits replaced: the same millisecond, another machine and sequence. */
export function withLowerBits(id: bigint, lower: number): bigint {
  return (id & ~LOWER_MASK) | (BigInt(lower) & LOWER_MASK)
}

/**
 * A machine id for a process that was given none. Host and pid do not suffice: in containers every pid is 1 and
 * host names repeat, and a preload also runs in worker threads; random bytes decide.
 */
export function randomMachineId(): number {
  const hash = createHash('sha256')
    .update(`${hostname()}\n${process.pid}\n${threadId}\n`)
    .update(randomBytes(16))
    .digest()
  return hash.readUInt16BE(0) & MACHINE_ID_MAX
}

export interface SnowflakeSource {
  /** Uniform integer in 0…bound−1. */
  readonly random?: (bound: number) => number
}

/**
 * Makes ids: `0 | 41 bits ms since 2024 | 10 bits machine | 12 bits sequence`.
 *
 * The sequence begins each millisecond at a random value in 0…2047, so that two processes that share a machine
 * id rarely meet (they may: a duplicate id is settled at the store by comparing digests).
 *
 * Owned by one pipeline, used from one thread. Ids of {@link next} are strictly increasing while the clock stands still,
 * steps back by up to five minutes, or a millisecond's sequence is used up: counting goes on from the highest id so far.
 * After a larger step back ids follow the clock: it was wrong before, and one wrong moment must not decide the ids of a
 * year. One that comes twice by that is settled at the store, too. It never waits.
 */
export class SnowflakeGenerator {
  readonly #machine: bigint
  readonly #random: (bound: number) => number
  #millisecond = -1
  #sequence = 0
  #backdated: number

  /**
   * @param machineId 0…1023
   * @throws AuditError `AUDIT_INVALID_OPTION` for anything else
   */
  constructor(machineId: number, source: SnowflakeSource = {}) {
    if (!Number.isInteger(machineId) || machineId < 0 || machineId > MACHINE_ID_MAX) {
      throw new AuditError(
        'AUDIT_INVALID_OPTION',
        `machineId must be an integer from 0 to ${MACHINE_ID_MAX}, got ${String(machineId)}`,
        { field: 'machineId' },
      )
    }
    this.#machine = BigInt(machineId) << SEQUENCE_BITS
    this.#random = source.random ?? ((bound) => randomInt(bound))
    this.#backdated = this.#random(SEQUENCES)
  }

  /** The id of an event that happens now. @param unixMs the wall clock, ms since the Unix epoch */
  next(unixMs: number): bigint {
    const millisecond = Math.max(0, Math.floor(unixMs) - SNOWFLAKE_EPOCH_MS)
    if (millisecond > this.#millisecond || this.#millisecond - millisecond > MOST_LEAD_MS) {
      this.#millisecond = millisecond
      this.#sequence = this.#random(FIRST_SEQUENCES)
    } else if (++this.#sequence === SEQUENCES) {
      this.#millisecond++
      this.#sequence = this.#random(FIRST_SEQUENCES)
    }
    return this.#compose(this.#millisecond, this.#sequence)
  }

  /**
   * The id of an event whose time the caller gave. It carries exactly that millisecond and leaves the counting of
   * {@link next} alone, so one event dated into tomorrow does not date all later ones.
   */
  at(unixMs: number): bigint {
    this.#backdated = (this.#backdated + 1) % SEQUENCES
    return this.#compose(Math.max(0, Math.floor(unixMs) - SNOWFLAKE_EPOCH_MS), this.#backdated)
  }

  #compose(millisecond: number, sequence: number): bigint {
    return (BigInt(millisecond) << LOWER_BITS) | this.#machine | BigInt(sequence)
  }
}

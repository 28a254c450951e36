import { parseArgs } from 'node:util'
import { wholeNumberOption } from '../bench/number-option.js'
import type { SoakMode } from './orders.js'

export interface SoakOptions {
  /** Infinity when only the time is bounded. */
  readonly kills: number
  readonly minutes: number
  readonly mode: SoakMode
  readonly seed: number
  readonly writerThread: boolean
  /** Events come from a sender, by way of gateways. */
  readonly through: 'gateway' | undefined
  /** A collector that stands before them. */
  readonly collector: string | undefined
  /** By way of Kafka, of so many brokers, with a collector on either side. */
  readonly kafka: boolean
  readonly brokers: number
  /** Ends after so many promotions of a standby. 0: Postgres has none. */
  readonly failovers: number
  /** Where the events that are not in the table are listed. */
  readonly lost: string | undefined
  readonly help: boolean
}

const DEFAULT_KILLS = 10
const DEFAULT_BROKERS = 3
const MODES: readonly SoakMode[] = ['strict', 'async', 'mixed']

export const HELP = `Kills a writer and its Postgres again and again, and proves that the trail is complete.

  npm run soak -- [--kills <n>] [--mode strict|async|mixed] [--seed <n>] [--minutes <m>] [--lost <file>] [--writer-thread]
  npm run soak -- --through gateway [--collector <binary>] [--kills <n>] [--seed <n>] [--minutes <m>] [--lost <file>]
                                    [--kafka [--brokers <n>]] [--failover <n>]

  --kills    how many kills, 1 to 1000000 (default ${DEFAULT_KILLS}; none with --minutes and --failover)
  --mode     what the writer records (default mixed)
  --seed     decides which kills, and when, 0 to 4294967295 (default: random; it is printed)
  --minutes  ends after that time, also when not all kills were made
  --lost     writes the events that are not in the table to this file, one JSON document a line
  --writer-thread  the writer has a thread that writes
  --through gateway  a sender of OTLP, two gateways and, where there is one, a collector in place of the writer
  --collector <binary>  that collector (default: $COLLECTOR_BIN, else the one that npm run collector:check has built)
  --kafka    through Kafka: a collector before it and two behind it; needs Java, Maven and the collector
  --brokers <n>  of Kafka, 1 to 5 (default ${DEFAULT_BROKERS})
  --failover <n>  Postgres has a synchronous standby, which is promoted n times, 1 to 100000
  --help     this text

Starts a Postgres of its own. Progress is on stderr; the last line on stdout is the result as JSON. The exit code is 1
when acked_missing, duplicates, unaccounted or findings is not 0, or when something failed. docs/soak.md says how to read it.`

/** @throws TypeError with a text for the user */
export function soakOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string' },
      minutes: { type: 'string' },
      mode: { type: 'string', default: 'mixed' },
      seed: { type: 'string' },
      lost: { type: 'string' },
      'writer-thread': { type: 'boolean', default: false },
      through: { type: 'string' },
      collector: { type: 'string' },
      kafka: { type: 'boolean', default: false },
      brokers: { type: 'string' },
      failover: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const mode = MODES.find((known) => known === values.mode)
  if (mode === undefined) throw new TypeError(`--mode must be one of ${MODES.join(', ')}`)
  const { through, collector } = values
  if (through !== undefined && through !== 'gateway') throw new TypeError('--through must be gateway')
  const { kafka, failover } = values
  for (const [option, value] of Object.entries({ collector, kafka: kafka || undefined, failover })) {
    if (value !== undefined && through === undefined) {
      throw new TypeError(`--${option} is for what comes through gateways: give --through gateway`)
    }
  }
  const isBounded = values.minutes !== undefined || failover !== undefined
  const withoutKills = isBounded ? Number.POSITIVE_INFINITY : DEFAULT_KILLS
  return {
    kills: wholeNumberOption('--kills', values.kills, withoutKills, 1, 1_000_000),
    minutes: wholeNumberOption('--minutes', values.minutes, Number.POSITIVE_INFINITY, 1, 100_000),
    mode,
    seed: wholeNumberOption('--seed', values.seed, Math.floor(Math.random() * 2 ** 32), 0, 2 ** 32 - 1),
    lost: values.lost,
    writerThread: values['writer-thread'],
    through,
    collector,
    kafka,
    brokers: wholeNumberOption('--brokers', values.brokers, DEFAULT_BROKERS, 1, 5),
    failovers: wholeNumberOption('--failover', failover, 0, 1, 100_000),
    help: values.help,
  }
}

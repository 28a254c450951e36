import { buildEvent, SnowflakeGenerator } from 'otel-audit'
import { type BatchRow, WriterChain } from '../../src/chain/writer-chain.js'
import type { BlockColumns } from '../../src/chain/block-columns.js'
import type { BatchEntry } from '../../src/contract/sink.js'
import type { NoteSigner } from '../../src/chain/note-key.js'
import { eventDigest } from '../../src/event/digest.js'
import { VERSION } from '../../src/version.js'
import { SeededRandom } from '../../soak/random.js'
import { LOG } from './keys.js'
import { accessAt, type Population, SERVICES, spanOf, traceOf } from './population.js'

/** Rows of one block. */
const BLOCK_ROWS = 64
/** Rows that the writers of a time write together, a block each. */
const ROUND_ROWS = SERVICES * BLOCK_ROWS
/** Each service is started so often a month, and has another chain each time. */
const STARTS = 8
/** After the last row of a block, in µs. */
const WRITTEN_AFTER_US = 2000

export interface WrittenBlock {
  readonly columns: BlockColumns
  readonly entries: readonly BatchEntry[]
}

/** What the chains of a trail are made with. */
export interface ChainOrigin {
  readonly trail: string
  readonly system: string | undefined
  readonly enrolment: NoteSigner
}

/** Some of the rows of a population. */
export interface Share {
  readonly first: number
  /** After the last one. */
  readonly end: number
  /** None is of this time or a later one. ms since the Unix epoch. */
  readonly untilMs: number
  readonly seed: number
}

/**
 * The blocks of a share of the population, in the order in which twelve services would have
 * written them: by the writer's own chain, with ids and times of then. Each service is started several times; its chains
 * begin and end in here.
 */
export function* writtenBlocks(
  population: Population,
  { first, end, untilMs, seed }: Share,
  origin: ChainOrigin,
): Generator<WrittenBlock, void> {
  const random = new SeededRandom(seed)
  const rounds = Math.ceil((end - first) / ROUND_ROWS)
  const roundsOfStart = Math.max(1, Math.ceil(rounds / STARTS))
  const { fromMs, toMs, rows } = population
  const stepMs = (toMs - fromMs) / rows
  let writers: Writer[] = []
  for (let round = 0; round < rounds; round++) {
    const from = first + round * ROUND_ROWS
    const fromUs = (fromMs + from * stepMs) * 1000
    if (round % roundsOfStart === 0) {
      for (const writer of writers) yield* writer.close(fromUs)
      writers = Array.from({ length: SERVICES }, (_, service) => new Writer(service, origin, random))
    }
    const to = Math.min(from + ROUND_ROWS, end)
    for (const [service, writer] of writers.entries()) {
      for (let n = from + service; n < to; n += SERVICES) {
        const ms = fromMs + (n + random.next()) * stepMs
        writer.add(n, Math.min(ms, untilMs - 1), population)
      }
      yield* writer.write()
    }
  }
  for (const writer of writers) yield* writer.close(untilMs * 1000)
}

/** One start of one service. */
class Writer {
  readonly #service: string
  readonly #instance: string
  readonly #random: SeededRandom
  readonly #ids: SnowflakeGenerator
  readonly #chain: WriterChain
  #entries: (BatchEntry & BatchRow)[] = []
  #nowUs = 0

  constructor(service: number, { trail, system, enrolment }: ChainOrigin, random: SeededRandom) {
    this.#service = `service-${service}`
    this.#instance = `${this.#service}-${random.between(0, 2 ** 31).toString(36)}`
    this.#random = random
    this.#ids = new SnowflakeGenerator(random.between(0, 1023), {
      random: (bound) => random.between(0, bound - 1),
    })
    this.#chain = new WriterChain({
      log: LOG,
      service: this.#service,
      instance: this.#instance,
      version: VERSION,
      trail,
      system,
      enrolment,
      now: () => this.#nowUs,
      lost: () => 0,
    })
  }

  add(n: number, ms: number, population: Population): void {
    const fields = accessAt(n, population, this.#random)
    const event = buildEvent(fields, {
      auditId: this.#ids.next(ms),
      occurredAt: Math.floor(ms * 1000),
      serviceName: this.#service,
      serviceInstanceId: this.#instance,
      traceId: traceOf(fields),
      spanId: spanOf(n),
    })
    this.#entries.push({ event, digest: eventDigest(event) })
    this.#nowUs = event.occurredAt + WRITTEN_AFTER_US
  }

  /** The block of what was added, and what has to go before it. */
  *write(): Generator<WrittenBlock, void> {
    if (this.#entries.length === 0) return
    for (;;) {
      const { block, columns } = this.#chain.prepareRows(this.#entries)
      this.#stored()
      if (block.kind === 'data') {
        yield { columns, entries: this.#entries }
        break
      }
      yield { columns, entries: [] }
    }
    this.#entries = []
  }

  *close(nowUs: number): Generator<WrittenBlock, void> {
    this.#nowUs = Math.max(this.#nowUs, Math.floor(nowUs))
    while (!this.#chain.isOver) {
      const signed = this.#chain.prepareEnd('close')
      if (signed === undefined) return
      this.#stored()
      yield { columns: signed.columns, entries: [] }
    }
  }

  #stored(): void {
    this.#chain.sending()
    this.#chain.acknowledged()
  }
}

import { type Audit, createAudit } from 'otel-audit'
import { SeededRandom } from '../../soak/random.js'
import { closedLoop, type Side } from '../closed-loop.js'
import { CpuClock } from '../cpu.js'
import { RowCheck } from '../missing-rows.js'
import { median } from '../statistics.js'
import { LOG, type Keys } from './keys.js'
import { accessAt, type Population } from './population.js'

/** Callers that each wait for their row. */
export const CALLERS = 64
/** On a machine that does other things too, an answer may take a while: it is counted, and refuses nobody. */
const DEADLINE_MS = 60_000
const DAY_MS = 86_400_000

interface InsertSpeed {
  /** Rows a second. */
  readonly rps: number
  /** µs of the server's processor time a row. Linux only, else undefined. */
  readonly postgres_us: number | undefined
}

export interface InsertResult {
  readonly full: InsertSpeed
  readonly fresh: InsertSpeed
  /** Full to fresh: the median of the rounds' own ratios. */
  readonly ratio: { readonly rps: number; readonly postgres_us: number | undefined }
  readonly acknowledged: number
  readonly missing: number
}

/** Our pipeline into a trail, with accesses as the population has them. */
export class InsertSide implements Side {
  readonly #audit: Audit
  readonly #check: RowCheck
  readonly #population: Population
  readonly #random: SeededRandom

  private constructor(audit: Audit, check: RowCheck, population: Population, seed: number) {
    this.#audit = audit
    this.#check = check
    this.#population = population
    this.#random = new SeededRandom(seed)
  }

  static async open(
    urls: { readonly writer: string; readonly owner: string },
    keys: Keys,
    population: Population,
    seed: number,
  ): Promise<InsertSide> {
    const audit = createAudit({
      databaseUrl: urls.writer,
      origin: LOG,
      enrolmentKey: keys.enrolmentPem,
      serviceName: 'bench-years',
      deadlineMs: DEADLINE_MS,
      answerTimeoutMs: DEADLINE_MS,
    })
    const report = await audit.start()
    if (!report.ok) throw new Error(report.findings.map(({ message }) => message).join('; '))
    return new InsertSide(audit, await RowCheck.connect(urls.owner), population, seed)
  }

  async record(n: number): Promise<bigint> {
    const fields = accessAt(this.#population.rows + n, this.#population, this.#random)
    return (await this.#audit.service.recordStrict(fields)).auditId
  }

  missing(acknowledged: readonly bigint[]): Promise<number> {
    return this.#check.missing(acknowledged)
  }

  async close(): Promise<void> {
    await this.#audit.close()
    await this.#check.close()
  }
}

/** The rows of one more day, by the pipeline. @returns how many of those that were acknowledged are missing */
export async function recordDay(side: InsertSide, { fromMs, toMs, rows }: Population): Promise<number> {
  const load = await closedLoop(side, CALLERS, { rows: Math.ceil((rows * DAY_MS) / (toMs - fromMs)) })
  return await side.missing(load.acknowledged)
}

/** Both trails on one server, in turns; a first round of each does not count. */
export async function compareInserting(
  sides: { readonly full: InsertSide; readonly fresh: InsertSide },
  { postmaster, rounds, seconds }: { postmaster: number; rounds: number; seconds: number },
  progress: (what: string) => void,
): Promise<InsertResult> {
  const cpu = new CpuClock(postmaster)
  let acknowledged = 0
  let missing = 0
  const run = async (side: InsertSide): Promise<InsertSpeed> => {
    const used = cpu.start()
    const load = await closedLoop(side, CALLERS, { seconds })
    const { postgres } = used()
    acknowledged += load.acknowledged.length
    missing += await side.missing(load.acknowledged)
    return { rps: load.speed.rps, postgres_us: postgres && postgres / load.acknowledged.length }
  }
  for (const side of [sides.full, sides.fresh]) await run(side)
  const pairs: { full: InsertSpeed; fresh: InsertSpeed }[] = []
  for (let round = 0; round < rounds; round++) {
    progress(`inserting, round ${round + 1} of ${rounds}`)
    const fullFirst = round % 2 === 0
    const first = await run(fullFirst ? sides.full : sides.fresh)
    const second = await run(fullFirst ? sides.fresh : sides.full)
    pairs.push(fullFirst ? { full: first, fresh: second } : { full: second, fresh: first })
  }
  return {
    full: middle(pairs.map(({ full }) => full)),
    fresh: middle(pairs.map(({ fresh }) => fresh)),
    ratio: {
      rps: median(pairs.map(({ full, fresh }) => full.rps / fresh.rps)),
      postgres_us: medianKnown(
        pairs.map(
          ({ full, fresh }) => full.postgres_us && fresh.postgres_us && full.postgres_us / fresh.postgres_us,
        ),
      ),
    },
    acknowledged,
    missing,
  }
}

function middle(speeds: readonly InsertSpeed[]): InsertSpeed {
  return {
    rps: median(speeds.map(({ rps }) => rps)),
    postgres_us: medianKnown(speeds.map(({ postgres_us }) => postgres_us)),
  }
}

function medianKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : median(known)
}

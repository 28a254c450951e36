import { setTimeout as sleep } from 'node:timers/promises'
import { archiveMonth, oldestMonth } from './archiving.js'
import { type CommandContext, otelAudit, succeeded } from './command.js'
import { connected } from './connected.js'
import { CALLERS, type InsertSide } from './inserting.js'

/** Months that are made while the writers run, one after the other. */
const MADE = 3
const WARM_UP_MS = 2000
const BETWEEN_MS = 1000

/** The strict calls of a time. */
interface Slowest {
  readonly seconds: number
  readonly calls: number
  /** The slowest one, in ms. */
  readonly max_ms: number
}

export interface HitchResult {
  /** Nothing else was done. */
  readonly without: Slowest
  /** Months were made. */
  readonly made: Slowest
  /** One was retired. */
  readonly retired: Slowest
  readonly acknowledged: number
  readonly missing: number
}

/**
 * Writers at full speed, in whose way months are made and the oldest one is retired, and nothing is for as long as that
 * took. A call counts for what happened while it waited.
 *
 * @param place of the archive
 */
export async function measureHitches(
  context: CommandContext,
  side: InsertSide,
  { place, seconds }: { readonly place: string; readonly seconds: number },
  progress: (what: string) => void,
): Promise<HitchResult> {
  const month = await oldestMonth(context)
  progress('archiving the oldest month, if it is not yet')
  await archiveMonth(context, month, place)
  const load = new Load(side)
  try {
    await sleep(WARM_UP_MS)
    progress('writers at full speed')
    const halfMs = (seconds * 1000) / 2
    await load.while('without', () => sleep(halfMs))
    progress(`${MADE} months are made`)
    const partitions = await load.while('made', () => makeMonths(context))
    await sleep(BETWEEN_MS)
    progress(`${month.partition} is retired`)
    await load.while('retired', async () => {
      const args = ['retire', '--before', month.before, '--trust', context.keys.trustFile]
      succeeded(await otelAudit(context, args), 'retire')
    })
    await sleep(BETWEEN_MS)
    progress('writers at full speed')
    const { made, retired } = load.slowest
    await load.while('without', () =>
      sleep(Math.max(halfMs, (made.seconds + retired.seconds) * 1000 - halfMs)),
    )
    await load.stop()
    await removeMonths(context, partitions)
    const { acknowledged } = load
    return { ...load.slowest, acknowledged: acknowledged.length, missing: await side.missing(acknowledged) }
  } finally {
    await load.stop()
  }
}

type What = 'without' | 'made' | 'retired'

/** So many callers that each record their next access when the last one is acknowledged. */
class Load {
  readonly slowest: Record<What, { seconds: number; calls: number; max_ms: number }> = {
    without: { seconds: 0, calls: 0, max_ms: 0 },
    made: { seconds: 0, calls: 0, max_ms: 0 },
    retired: { seconds: 0, calls: 0, max_ms: 0 },
  }
  readonly acknowledged: bigint[] = []
  readonly #side: InsertSide
  readonly #callers: Promise<unknown>
  /** What has begun or ended so far, one after the other; undefined: something is done that is not measured. */
  readonly #times: (What | undefined)[] = [undefined]
  #stopped = false
  #next = 0

  constructor(side: InsertSide) {
    this.#side = side
    this.#callers = Promise.all(Array.from({ length: CALLERS }, () => this.#caller()))
    // Told by `stop`.
    this.#callers.catch(() => {})
  }

  /** Calls that wait while this is done count for it. */
  async while<T>(what: What, work: () => Promise<T>): Promise<T> {
    const began = performance.now()
    this.#times.push(what)
    const result = await work()
    this.#times.push(undefined)
    this.slowest[what].seconds += (performance.now() - began) / 1000
    return result
  }

  /** @throws what a record has thrown */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#callers
  }

  async #caller(): Promise<void> {
    while (!this.#stopped) {
      const [began, first] = [performance.now(), this.#times.length - 1]
      this.acknowledged.push(await this.#side.record(this.#next++))
      this.#count(performance.now() - began, this.#times.slice(first))
    }
  }

  /** One that waited while something else was done as well says nothing about the time without it. */
  #count(ms: number, times: readonly (What | undefined)[]): void {
    for (const what of times) {
      if (what === undefined || (what === 'without' && times.length > 1)) continue
      const slowest = this.slowest[what]
      slowest.calls++
      slowest.max_ms = Math.max(slowest.max_ms, ms)
    }
  }
}

/** Beyond those that every writer keeps ahead, so that none of these has made them already. @returns their partitions */
async function makeMonths({ server, database }: CommandContext): Promise<string[]> {
  return await connected(server.url(database), async (client) => {
    const partitions: string[] = []
    for (let n = 0; n < MADE; n++) {
      const { rows } = await client.query<{ partition: string }>(
        `select noetl.secret_audit_create_partition(noetl.secret_audit_id_month(max(to_id))) as partition
         from noetl.secret_audit_partitions()`,
      )
      partitions.push(...rows.map(({ partition }) => partition))
      await sleep(BETWEEN_MS)
    }
    return partitions
  })
}

/** They are empty. */
async function removeMonths(
  { server, database }: CommandContext,
  partitions: readonly string[],
): Promise<void> {
  await connected(server.url(database), async (client) => {
    for (const partition of partitions) {
      await client.query(`alter table noetl.secret_audit detach partition noetl.${partition}`)
      await client.query(`drop table noetl.${partition}`)
    }
  })
}

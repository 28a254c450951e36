import { setTimeout as sleep } from 'node:timers/promises'
import { archiveMonth, oldestMonth } from './archiving.js'
import { type CommandContext, otelAudit, succeeded } from './command.js'
import { connected } from './connected.js'
import { CALLERS, type InsertSide } from './inserting.js'

/** Months that are made while the writers run, one after the other. */
const MADE = 3
const WARM_UP_MS = 2000
const BETWEEN_MS = 1000

/** The slowest strict call of a time, in ms. */
interface Slowest {
  readonly seconds: number
  readonly calls: number
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

interface Call {
  readonly began: number
  readonly ended: number
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
    // Each connection of the writers makes what is missing when it begins.
    await sleep(WARM_UP_MS)
    await removeComingMonths(context)
    await sleep(BETWEEN_MS)
    progress('writers at full speed')
    const first = await timed(() => sleep((seconds * 1000) / 2))
    progress(`${MADE} months are made`)
    const made = await timed(() => makeMonths(context))
    await sleep(BETWEEN_MS)
    progress(`${month.partition} is retired`)
    const retired = await timed(async () => {
      const args = ['retire', '--before', month.before, '--trust', context.keys.trustFile]
      succeeded(await otelAudit(context, args), 'retire')
    })
    await sleep(BETWEEN_MS)
    progress('writers at full speed')
    const second = await timed(() =>
      sleep(Math.max((seconds * 1000) / 2, made.ended - made.began + retired.ended - retired.began)),
    )
    await load.stop()
    return {
      without: slowest(load.calls, [first, second], within),
      made: slowest(load.calls, [made], during),
      retired: slowest(load.calls, [retired], during),
      acknowledged: load.acknowledged.length,
      missing: await side.missing(load.acknowledged),
    }
  } finally {
    await load.stop()
  }
}

/** So many callers that each record their next access when the last one is acknowledged. */
class Load {
  readonly calls: Call[] = []
  readonly acknowledged: bigint[] = []
  readonly #side: InsertSide
  readonly #callers: Promise<unknown>
  #stopped = false
  #next = 0

  constructor(side: InsertSide) {
    this.#side = side
    this.#callers = Promise.all(Array.from({ length: CALLERS }, () => this.#caller()))
    // Told by `stop`.
    this.#callers.catch(() => {})
  }

  /** @throws what a record has thrown */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#callers
  }

  async #caller(): Promise<void> {
    while (!this.#stopped) {
      const began = performance.now()
      this.acknowledged.push(await this.#side.record(this.#next++))
      this.calls.push({ began, ended: performance.now() })
    }
  }
}

async function timed(work: () => Promise<unknown>): Promise<Call> {
  const began = performance.now()
  await work()
  return { began, ended: performance.now() }
}

const within = (call: Call, time: Call): boolean => call.began >= time.began && call.ended <= time.ended
const during = (call: Call, time: Call): boolean => call.began <= time.ended && call.ended >= time.began

function slowest(
  calls: readonly Call[],
  times: readonly Call[],
  counts: (call: Call, time: Call) => boolean,
): Slowest {
  const counted = calls.filter((call) => times.some((time) => counts(call, time)))
  return {
    seconds: times.reduce((sum, { began, ended }) => sum + (ended - began) / 1000, 0),
    calls: counted.length,
    max_ms: counted.reduce((most, { began, ended }) => Math.max(most, ended - began), 0),
  }
}

/** The last of those to come, so that there are some to make. They are empty. */
async function removeComingMonths({ server, database }: CommandContext): Promise<void> {
  await connected(server.url(database), async (client) => {
    const { rows } = await client.query<{ partition: string }>(
      'select partition from noetl.secret_audit_partitions() order by from_id desc limit $1',
      [MADE],
    )
    for (const { partition } of rows) {
      await client.query(`alter table noetl.secret_audit detach partition noetl.${partition}`)
      await client.query(`drop table noetl.${partition}`)
    }
  })
}

/** As a writer does that keeps months ahead. */
async function makeMonths({ server, database }: CommandContext): Promise<void> {
  await connected(server.url(database), async (client) => {
    const made = `select count(*)::int as made from noetl.secret_audit_ensure_partitions($1)`
    for (let ahead = MOST_AHEAD - MADE + 1; ahead <= MOST_AHEAD; ahead++) {
      const { rows } = await client.query<{ made: number }>(made, [ahead])
      if (rows[0]?.made !== 1) throw new Error(`${rows[0]?.made} months were made in place of one`)
      await sleep(BETWEEN_MS)
    }
  })
}

/** Months to come that a trail has after `migrate`. */
const MOST_AHEAD = 12

import { isDeepStrictEqual } from 'node:util'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { anEvent, batchOf } from './events.js'
import { anyMutation, arm, Random } from './mutations.js'
import { readTrail } from './trail.js'
import { WireProxy } from './wire-proxy.js'

export interface AdversaryReport {
  readonly mutations: number
  /** How often a write whose answer was changed was called what. */
  readonly answers: Readonly<Record<string, number>>
  /** Mutations after which a write was called committed that is not stored as it was sent. */
  readonly lies: readonly string[]
}

/** Short: a stall costs this much. What is slow for another reason is `unknown`, which is never a lie. */
const ANSWER_TIMEOUT_MS = 250

/**
 * Writes batches through a proxy that changes one message of the protocol after the other, and compares what was called
 * committed with what is stored.
 *
 * @param databaseUrl of an empty trail
 */
export async function adversary(
  databaseUrl: string,
  seed: number,
  isOver: (done: number) => boolean,
): Promise<AdversaryReport> {
  const random = new Random(seed)
  const proxy = await WireProxy.start(databaseUrl)
  const claimed = new Map<bigint, { readonly event: unknown; readonly how: string }>()
  const answers: Record<string, number> = {}
  const open = (): PostgresAuditSink =>
    new PostgresAuditSink({
      databaseUrl: proxy.url(databaseUrl),
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      idleAfterMs: 600_000,
    })
  let sink = open()
  let done = 0
  for (; !isOver(done); done++) {
    const batch = batchOf(...Array.from({ length: 1 + random.below(3) }, () => anEvent()))
    const mutation = anyMutation(random)
    const how = `seed ${seed}, mutation ${done}: ${JSON.stringify(mutation)}`
    // The same rows again, as after an answer that did not come: what is stored already is looked up through the proxy.
    for (let sends = 0; sends < 2; sends++) {
      arm(proxy, mutation, random)
      const { status } = await sink.write(batch)
      proxy.calm()
      answers[status] = (answers[status] ?? 0) + 1
      if (status !== 'committed') continue
      for (const { event } of batch.entries) claimed.set(event.auditId, { event, how })
      break
    }
    if (random.below(20) === 0) {
      await sink.close()
      sink = open()
    }
  }
  await sink.close()
  await proxy.close()
  const stored = new Map((await readTrail(databaseUrl)).map(({ event }) => [event.auditId, event]))
  const lies = [...claimed]
    .filter(([id, { event }]) => !isDeepStrictEqual({ ...stored.get(id) }, { ...(event as object) }))
    .map(([, { how }]) => how)
  return { mutations: done, answers, lies: [...new Set(lies)] }
}

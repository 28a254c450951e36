import { Client } from 'pg'
import { median } from './statistics.js'

/** How far away the database is, and how slow its disk. */
export interface Condition {
  /** Added to a round trip to it, in ms. */
  readonly networkMs: number
  /** Added to each flush of its WAL, in ms. */
  readonly flushMs: number
}

export const NETWORKS_MS = [0, 0.5, 1] as const
export const FLUSHES_MS = [0, 1, 2] as const

export const NEAR: Condition = { networkMs: 0, flushMs: 0 }
/** What the goals call far. */
export const FAR: Condition = { networkMs: 0.5, flushMs: 1 }

/** What a condition comes to, as one connection that does nothing else sees it: medians in ms. */
export interface Measured {
  /** A statement that reads nothing. */
  readonly roundTripMs: number
  /** A transaction that writes one record of WAL and nothing else. */
  readonly commitMs: number
}

const TIMES = 60

/** @param databaseUrl over the network of the condition, as a login that may write WAL */
export async function measure(databaseUrl: string): Promise<Measured> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return {
      roundTripMs: await medianMs(() => client.query('select 1')),
      commitMs: await medianMs(() => client.query(`select pg_logical_emit_message(true, 'bench', '')`)),
    }
  } finally {
    await client.end()
  }
}

async function medianMs(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < TIMES; n++) {
    const began = performance.now()
    await work()
    times.push(performance.now() - began)
  }
  return median(times)
}

export function conditionText({ networkMs, flushMs }: Condition): string {
  return `network ${networkMs === 0 ? 'as it is' : `+${networkMs} ms`}, flush ${flushMs === 0 ? 'as it is' : `+${flushMs} ms`}`
}

import { percentile } from './statistics.js'

/** One way of recording an access. */
export interface Side {
  /** Records the nth access. @returns the audit id, when the row is acknowledged to be committed */
  record(n: number): Promise<bigint>
  /** How many of these acknowledged events are not in the table. */
  missing(acknowledged: readonly bigint[]): Promise<number>
}

/** What a run of one side came to. */
export interface Load {
  readonly speed: Speed
  readonly acknowledged: readonly bigint[]
}

export interface Speed {
  /** Rows a second. */
  readonly rps: number
  readonly p50_ms: number
  readonly p99_ms: number
}

/** How long a run lasts: for a time, or until there are so many rows. */
export type Length = { readonly seconds: number } | { readonly rows: number }

/** Keeps so many callers busy, each recording its next access when its last one is acknowledged. */
export async function closedLoop(side: Side, callers: number, length: Length): Promise<Load> {
  const latencies: number[] = []
  const acknowledged: bigint[] = []
  const began = performance.now()
  const end = 'seconds' in length ? began + length.seconds * 1000 : Number.POSITIVE_INFINITY
  const rows = 'rows' in length ? length.rows : Number.POSITIVE_INFINITY
  let next = 0
  const caller = async (): Promise<void> => {
    for (let sent = performance.now(); sent < end && next < rows; sent = performance.now()) {
      acknowledged.push(await side.record(next++))
      latencies.push(performance.now() - sent)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const took = (performance.now() - began) / 1000
  return {
    speed: {
      rps: latencies.length / took,
      p50_ms: percentile(latencies, 0.5),
      p99_ms: percentile(latencies, 0.99),
    },
    acknowledged,
  }
}

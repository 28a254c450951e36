import { snowflakeTime } from '../event/snowflake.js'
import { formatTime } from '../event/time.js'

/** A part of the trail that was retired, or is being: its rows are not in the trail. */
export interface RetiredRange {
  /** Name of the partition. */
  readonly partition: string
  /** `retiring`: the rows may be gone. `retired`: they are. */
  readonly state: 'retiring' | 'retired'
  /** RFC 3339: rows with ids from then on; `null`: no lower bound. */
  readonly from: string | null
  /** RFC 3339, exclusive. */
  readonly to: string
  /** As they were counted when it was retired. */
  readonly rows: number
  /** Where its archive was put; `null`: it was retired without one. */
  readonly place: string | null
}

/** What was retired of a trail, as the owner's table says: nothing is proven by it, `otel-audit verify` proves it. */
export interface Retired {
  /** Oldest first. `null`: this login may not see what was retired. */
  readonly ranges: readonly RetiredRange[] | null
}

export interface RetiredRow {
  readonly partition: string
  readonly state: string
  readonly from_id: string | null
  readonly to_id: string
  readonly row_count: string
  readonly place: string | null
}

export function retiredRange({
  partition,
  state,
  from_id,
  to_id,
  row_count,
  place,
}: RetiredRow): RetiredRange {
  return {
    partition,
    state: state === 'retired' || state === 'dropped' ? 'retired' : 'retiring',
    from: from_id === null ? null : timeOf(from_id),
    to: timeOf(to_id),
    rows: Number(row_count),
    place,
  }
}

/** Those that a window reaches into. @param window µs since the Unix epoch, the end exclusive */
export function retiredIn(
  { ranges }: Retired,
  window: { readonly from: number | undefined; readonly to: number | undefined },
): readonly RetiredRange[] {
  const [from, to] = [window.from, window.to].map((micros) =>
    micros === undefined ? undefined : formatTime(micros),
  )
  return (ranges ?? []).filter(
    (range) =>
      (from === undefined || range.to > from) && (to === undefined || range.from === null || range.from < to),
  )
}

function timeOf(id: string): string {
  return formatTime(snowflakeTime(BigInt(id)) * 1000)
}

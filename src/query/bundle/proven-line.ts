import { eventDigest } from '../../event/digest.js'
import type { ProvenRow } from '../../verify/row-proof.js'
import { rowJson, rowOf } from '../row.js'

/** The end of a line: what comes behind `recorded_at` is of the row's place, and has no text of anybody's. */
const TAIL =
  /"recorded_at":"[\dTZ:.-]{20,32}"(,"event_digest":"[0-9a-f]{64}","chain_id":"[0-9a-f-]{36}","block_no":"\d+","block_index":\d+\})$/
const UNRECORDED = '"recorded_at":"1970-01-01T00:00:00.000000Z"'

/**
 * A row of an export without the one column that no signature covers: when it was recorded.
 *
 * @returns undefined for a line that does not end as one with a place in a block does
 */
export function signedPartOf(line: string): string | undefined {
  return TAIL.test(line) ? line.replace(TAIL, `${UNRECORDED}$1`) : undefined
}

/** The same of a row that was proven. */
export function provenPartOf({ event, block, index }: ProvenRow): string {
  const place = { chain: block.chain, block: block.number, index }
  return rowJson(rowOf({ event, recordedAt: 0, stored: eventDigest(event), ...place }))
}

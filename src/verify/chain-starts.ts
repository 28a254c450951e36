import { type ChainStart, startsSum } from './chain-start.js'
import type { FindingLog } from './finding.js'
import type { Selection, TrailSource } from './source.js'

/** Where chains begin whose first blocks were retired, by chain. */
export type ChainStarts = ReadonlyMap<string, ChainStart>

export const NO_STARTS: ChainStarts = new Map()

/**
 * The starts that the store has, all of them, if a retention key has signed exactly these. An older list that was signed counts
 * too: while a newer one is put in its place, and since more blocks are gone than it says, it would hide nothing.
 *
 * @param signed sums of the lists that were signed. Undefined: the source is a part of a trail, held to be what was signed as a whole
 */
export async function readStarts(
  source: Pick<TrailSource, 'chainStarts'>,
  signed: ReadonlySet<string> | undefined,
  findings: FindingLog,
): Promise<ChainStarts> {
  const starts: ChainStart[] = []
  for await (const batch of source.chainStarts?.() ?? []) starts.push(...batch)
  if (starts.length === 0) return NO_STARTS
  if (signed === undefined || signed.has(startsSum(starts)))
    return new Map(starts.map((start) => [start.chain, start]))
  const what = `where ${starts.length} chains begin is not what the retention key has signed: they are taken for whole chains`
  findings.add('start-altered', what, {})
  return NO_STARTS
}

/** How many rows the retired blocks had that are asked for: all of them are retired. Of a range of ids that is not known. */
export function rowsBefore(starts: ChainStarts, { chain, ids }: Selection): number {
  if (ids !== undefined) return 0
  const asked = [...starts.values()].filter((start) => chain === undefined || start.chain === chain)
  return asked.reduce((sum, { rows }) => sum + rows, 0)
}

/** Chains that are said to begin somewhere, and are not there at all. */
export function endStarts(
  starts: ChainStarts,
  chains: ReadonlyMap<string, unknown>,
  only: string | undefined,
  findings: FindingLog,
): void {
  for (const { chain, block } of starts.values()) {
    if (chains.has(chain) || (only !== undefined && only !== chain)) continue
    const what = 'the retention key has signed where it begins, and it is not there'
    findings.add('chain-missing', what, { chain, block: block + 1 })
  }
}

import type { ChainSummary } from './chain-walk.js'
import type { FindingLog } from './finding.js'

/** A finding for each chain that another one continues, and that is not there, or not as far. */
export function checkContinuations(
  chains: ReadonlyMap<string, Pick<ChainSummary, 'chain' | 'continues' | 'lastBlock'>>,
  findings: FindingLog,
): void {
  for (const { chain, continues } of chains.values()) {
    if (continues === undefined) continue
    const older = chains.get(continues.chain)
    const place = { chain: continues.chain, block: continues.block }
    if (older === undefined) {
      findings.add('chain-missing', `chain ${chain} continues it, and it is not there`, place)
    } else if (older.lastBlock < continues.block) {
      findings.add('block-missing', `chain ${chain} continues it from block ${continues.block} on`, place)
    }
  }
}

import { blockHash } from '../../chain/block.js'
import { textOfColumns } from '../../chain/block-columns.js'
import type { Anchors } from '../anchors.js'
import type { FindingLog } from '../finding.js'
import type { IdCollector } from './id-sets.js'
import type { IncrementalSource } from './incremental-source.js'

const AT_ONCE = 5000

/**
 * Looks up the blocks that anchors name, and that this run has not come by otherwise.
 *
 * @param anchored takes the ids of those of which an anchor says a row
 */
export async function checkOldAnchors(
  source: IncrementalSource,
  anchors: Anchors,
  anchored: IdCollector,
  findings: FindingLog,
): Promise<void> {
  const places = [...anchors.places()]
  for (let i = 0; i < places.length; i += AT_ONCE) {
    for (const columns of await source.blocksAt(places.slice(i, i + AT_ONCE))) {
      const { chainId: chain, minId, maxId, rowCount } = columns
      const number = Number(columns.blockNo)
      anchors.check({ chain, number, rows: rowCount }, blockHash(textOfColumns(columns)), findings)
      const isWanted = anchors.expectsRows({ chain, block: number }) && minId !== null && maxId !== null
      if (isWanted) anchored.add({ first: minId, last: maxId })
    }
  }
}

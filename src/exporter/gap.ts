import type { AuditAttributes } from '../event/attributes.js'
import type { AuditFields } from '../event/event.js'
import { Operation, Outcome } from '../event/vocabulary.js'
import type { LostBlocks } from '../contract/sink.js'

/** What the trail's own rows name as their credential. */
export const TRAIL_CREDENTIAL = 'secret_audit'

/** Events that were lost for the same reason. */
export interface Gap {
  count: number
  first: bigint
  last: bigint
}

/** What says that the store has lost rows which it had acknowledged: their ids are not known any more. */
export function lostBlocksRow({ chain, firstBlock, lastBlock, rows }: LostBlocks): AuditFields {
  return gapRow({
    count: rows,
    reason: 'lost_by_store',
    chain,
    first_block: firstBlock,
    last_block: lastBlock,
  })
}

/** What says that events were lost. */
export function gapFields(reason: string, { count, first, last }: Gap): AuditFields {
  return gapRow({ count, first: String(first), last: String(last), reason })
}

function gapRow(attributes: AuditAttributes): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditGap,
    outcome: Outcome.Lost,
    actorType: 'system',
    attributes,
  }
}

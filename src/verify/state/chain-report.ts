import type { ChainPoint } from '../chain-point.js'
import type { ChainReport } from '../chain-walk.js'

/** What is told of a chain that nothing came to. */
export function reportOf(point: ChainPoint): ChainReport {
  const { chain, last, hash, log, opening, enrolled, pinned, lastId } = point
  return {
    chain,
    log,
    service: opening?.service,
    instance: opening?.instance,
    blocks: last.number + 1,
    rows: last.rowsTotal,
    lost: last.lost,
    lastBlock: last.number,
    lastTime: last.time,
    end: last.kind === 'close' ? 'closed' : last.kind === 'idle' ? 'idle' : 'open',
    enrolled,
    pinned,
    foreign: false,
    lastId,
    trail: opening?.trail,
    system: opening?.system,
    continues: opening?.continues,
    head: { block: last.number, hash },
  }
}

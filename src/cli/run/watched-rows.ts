import type { ReadRow } from '../../postgres/read/copied-event.js'
import type { Snapshot } from '../../postgres/read/snapshot.js'
import type { TrailSource } from '../../verify/source.js'

/** The same trail: whoever verifies it shows each row to `look`, as the event of the very bytes that are checked. */
export function watchedRows(reader: Snapshot, look: (row: ReadRow) => void): TrailSource {
  return {
    alterations: () => reader.alterations(),
    trail: () => reader.trail(),
    blocks: (selection) => reader.blocks(selection),
    rowBlocks: (selection) => reader.rowBlocks(selection),
    rows: (range, selection) => shown(reader.wholeRows(range, selection), look),
  }
}

async function* shown(
  batches: AsyncIterable<readonly ReadRow[]>,
  look: (row: ReadRow) => void,
): AsyncGenerator<readonly ReadRow[], void> {
  for await (const batch of batches) {
    for (const row of batch) look(row)
    yield batch
  }
}

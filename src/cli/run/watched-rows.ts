import type { ReadRow } from '../../postgres/read/copied-event.js'
import type { IdRange, Selection, TrailSource } from '../../verify/source.js'

/** A source that can give its rows with what they say. */
export interface WholeRowsSource extends TrailSource {
  wholeRows(range: IdRange, selection: Selection): AsyncIterable<readonly ReadRow[]>
}

/**
 * The same trail: whoever verifies it shows each row to `look`, as the event of the very bytes that are checked. Everything but the
 * rows is the source's own, whatever else a source can be asked: one that kept to itself what was retired would miss those rows.
 */
export function watchedRows(source: WholeRowsSource, look: (row: ReadRow) => void): TrailSource {
  const rows: TrailSource['rows'] = (range, selection) => shown(source.wholeRows(range, selection), look)
  return new Proxy<TrailSource>(source, {
    get(target, name) {
      if (name === 'rows') return rows
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
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

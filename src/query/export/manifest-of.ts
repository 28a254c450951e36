import { createHash } from '../../host/crypto.js'
import { VERSION } from '../../version.js'
import { describeFilter, parseFilter, type TrailFilter } from '../filter.js'
import type { Trail } from '../trail.js'
import { withHashes } from './export-file.js'
import { ENCODINGS, type ExportFormat } from './export-format.js'
import { Counter, exportedFilter, type ExportManifest } from './manifest.js'

/**
 * The manifest of a stream of rows, by reading the same settled set once more. `filter` names the mark of the stream: a
 * server that has not made the stream gives the same manifest.
 *
 * @throws AuditError those of {@link Trail}
 */
export async function manifestOf(
  trail: Trail,
  filter: TrailFilter,
  format: ExportFormat,
): Promise<ExportManifest> {
  const resolved = parseFilter(filter)
  const state = await trail.settledState()
  const hash = createHash('sha256')
  const counter = new Counter()
  let bytes = 0
  const add = (text: string): void => {
    hash.update(text)
    bytes += Buffer.byteLength(text)
  }
  let mark = String(state.mark)
  const { head, line, mediaType, schema } = ENCODINGS[format]
  add(head)
  for await (const page of trail.pages(filter)) {
    mark = page.mark ?? mark
    for (const row of page.rows) {
      add(line(row))
      counter.add(row)
    }
    counter.addForeign(page.foreign ?? 0)
  }
  const sha256 = hash.digest('hex')
  return {
    format: 'otel-audit/export/v1',
    version: VERSION,
    finished_at: new Date().toISOString(),
    file: `secret-audit-${sha256.slice(0, 8)}.${format}`,
    media_type: mediaType,
    schema,
    bytes,
    sha256,
    filter: exportedFilter(describeFilter(resolved), resolved.withoutOwn),
    mark,
    system: state.system,
    table: state.table,
    unsettled: state.unsettled,
    ...counter.tally,
    chains: await withHashes(trail, counter.tally.chains),
  }
}

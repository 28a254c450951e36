import type { FindingLog } from '../finding.js'
import { type KnownRetention, readRetention } from '../retention.js'
import type { RetentionRow, TrailSource } from '../source.js'
import type { Trust } from '../trust.js'
import type { IncrementalSource } from './incremental-source.js'

export interface ReadRetention {
  readonly retention: KnownRetention
  /** Sums of where chains begin, of every list that was signed. */
  readonly starts: ReadonlySet<string>
  /** For the next run. Undefined: one was refused, and all have to be read again. */
  readonly rows: readonly RetentionRow[] | undefined
}

/**
 * What was retired: as it is known, and as rows say from an id on.
 *
 * @param from undefined: all rows are read
 */
export async function retentionFrom(
  source: IncrementalSource,
  known: readonly RetentionRow[],
  from: bigint | undefined,
  trust: Trust,
  findings: FindingLog,
): Promise<ReadRetention> {
  const rows = new Map(from === undefined ? [] : known.map((row) => [row.auditId, row]))
  const before = findings.total
  const read: Pick<TrailSource, 'retentionRows'> = {
    async *retentionRows() {
      yield [...rows.values()]
      for await (const batch of source.retentionRows(from)) {
        const unknown = batch.filter(({ auditId }) => !rows.has(auditId))
        for (const row of unknown) rows.set(row.auditId, row)
        yield unknown
      }
    },
  }
  const { partitions, starts } = await readRetention(read, trust, findings)
  return { retention: partitions, starts, rows: findings.total === before ? [...rows.values()] : undefined }
}

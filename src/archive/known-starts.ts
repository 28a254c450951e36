import { AuditError } from '../errors.js'
import { INT8_MIN } from '../event/int8.js'
import type { Connection } from '../postgres/connection.js'
import { Snapshot } from '../postgres/read/snapshot.js'
import { readIdentity } from '../postgres/trail-identity.js'
import { type ChainStart, startsSum } from '../verify/chain-start.js'
import { FindingLog } from '../verify/finding.js'
import { IdRanges } from '../verify/id-ranges.js'
import { readRetention, type SignedRetention } from '../verify/retention.js'
import type { IdRange, RetentionRow } from '../verify/source.js'
import type { Trust } from '../verify/trust.js'
import type { ArchiveContext } from './place.js'

export interface KnownStarts {
  readonly starts: readonly ChainStart[]
  readonly retention: SignedRetention
  /** The rows of the trail that say so, and others: anybody may have written one. */
  readonly rows: readonly RetentionRow[]
  /** By whom a row has to be signed that counts. */
  readonly trust: Trust
}

/**
 * What was signed before about what was retired, and where chains begin. What was not is no reason to remove anything.
 *
 * @throws AuditError `AUDIT_RETENTION` when nobody has signed where chains begin
 */
export async function knownStarts(
  { databaseUrl, schema, signer, trust }: Pick<ArchiveContext, 'databaseUrl' | 'schema' | 'signer' | 'trust'>,
  session: Connection,
): Promise<KnownStarts> {
  const { trail } = await session.run((client) => readIdentity(client, schema))
  const snapshot = await Snapshot.open({ databaseUrl, schema, trails: [trail] })
  try {
    const keys = [signer.key, ...(trust.retention ?? [])]
    const own = { ...trust, origin: undefined, trails: [trail], retention: keys }
    const rows: RetentionRow[] = []
    for await (const batch of snapshot.retentionRows()) rows.push(...batch)
    const retention = await retentionOf(rows, own)
    const starts: ChainStart[] = []
    for await (const batch of snapshot.chainStarts()) starts.push(...batch)
    if (starts.length === 0 || retention.starts.has(startsSum(starts)))
      return { starts, retention, rows, trust: own }
    throw new AuditError('AUDIT_RETENTION', 'where chains begin is not what the retention key has signed', {
      remedy:
        'Where the retention key was changed, give --trust with a trust file that names the old one. Else verify the trail: the table secret_audit_chain_start was altered. No block was removed.',
    })
  } finally {
    await snapshot.close()
  }
}

/** What rows say that count. One that does not is the verifier's to tell. */
export function retentionOf(rows: readonly RetentionRow[], trust: Trust): Promise<SignedRetention> {
  const source = {
    async *retentionRows() {
      yield rows
    },
  }
  return readRetention(source, trust, new FindingLog(() => {}))
}

/** What was signed as retired: not what the table of states says, which is no evidence. */
export function retiredIds({ partitions }: SignedRetention): readonly IdRange[] {
  const retired = partitions.filter(({ state }) => state === 'retired')
  return new IdRanges(retired.map(({ from = INT8_MIN, to }) => ({ first: from, last: to - 1n }))).ranges
}

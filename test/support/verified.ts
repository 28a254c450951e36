import { Anchors } from '../../src/verify/anchors.js'
import type { Finding } from '../../src/verify/finding.js'
import type { Selection } from '../../src/verify/source.js'
import { NO_TRUST, type Trust } from '../../src/verify/trust.js'
import { verify, type VerifyReport } from '../../src/verify/verify.js'
import { Snapshot } from '../../src/postgres/read/snapshot.js'

export interface VerifiedTrail extends VerifyReport {
  readonly found: readonly Finding[]
}

/** What the verifier says of a real trail. */
export async function verifiedTrail(
  databaseUrl: string,
  trust: Partial<Trust> = {},
  selection: Partial<Selection> = {},
  anchors = new Anchors(),
): Promise<VerifiedTrail> {
  const reader = await Snapshot.open({ databaseUrl, schema: 'noetl' })
  const found: Finding[] = []
  try {
    const report = await verify(reader, {
      trust: { ...NO_TRUST, ...trust },
      selection: { chain: undefined, ids: undefined, ...selection },
      anchors,
      onFinding: (finding) => found.push(finding),
    })
    return { ...report, found }
  } finally {
    await reader.close()
  }
}

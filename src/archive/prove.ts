import type { Connection } from '../postgres/connection.js'
import { Anchors } from '../verify/anchors.js'
import type { StoredLeaf } from '../verify/source.js'
import type { Finding } from '../verify/finding.js'
import { ArchiveSource } from './archive-source.js'
import { archiveError } from './archive-store.js'
import { idsOf } from './archives.js'
import { leafOfLine } from './block-line.js'
import { filesOf, type ReadManifest } from './manifest.js'
import { type FileInfo, fileProblem, readLines, sizeProblem } from './ndjson-file.js'
import type { ArchiveContext } from './place.js'
import { keepLeaves, type Retirement, writeRetirement } from './retirement-state.js'
import { verifyRows } from './verify-archive.js'

/**
 * Reads archives back, and verifies them from their files alone: each file in one pass, in which its members are those that were
 * written, byte by byte, and its rows those of the blocks.
 *
 * @returns how much was found
 * @throws AuditError `AUDIT_ARCHIVE` when a file is not what was written
 */
export async function prove(
  context: ArchiveContext,
  all: readonly ReadManifest[],
  unproven: readonly ReadManifest[],
): Promise<number> {
  const { store, signer, trust, onFinding, onProgress, onLine } = context
  if (unproven.length === 0) return 0
  await checkFiles(unproven, (folder, file) => sizeProblem(store, folder, file))
  const ranges = unproven.map(idsOf)
  const first = ranges.reduce(
    (least, range) => (range.first < least ? range.first : least),
    ranges[0]?.first ?? 0n,
  )
  const last = ranges.reduce((most, range) => (range.last > most ? range.last : most), ranges[0]?.last ?? 0n)
  const keys = [signer.key, ...(trust.retention ?? [])]
  let findings = 0
  const source = new ArchiveSource(store, all)
  const request = {
    trust: { ...trust, retention: keys },
    anchors: new Anchors(),
    selection: { chain: undefined, ids: { first, last } },
    onFinding: (finding: Finding) => {
      findings++
      onFinding(finding)
    },
    onProgress,
  }
  const report = await verifyRows(store, all, request, source)
  // Of what verifying has no need of.
  await checkFiles(unproven, async (folder, file) =>
    source.wasRead(file) ? undefined : fileProblem(store, folder, file),
  )
  const { proven, unsigned, partly } = report.rows
  onLine(
    `read back and verified from the files alone: ${proven + partly} rows in signed blocks, ${unsigned} without`,
  )
  return findings
}

async function checkFiles(
  archives: readonly ReadManifest[],
  look: (folder: string, file: FileInfo) => Promise<string | undefined>,
): Promise<void> {
  for (const { folder, manifest } of archives) {
    for (const file of filesOf(manifest)) {
      const problem = await look(folder, file)
      if (problem !== undefined)
        throw archiveError(`${problem}. It was read back, and is not what was written`)
    }
  }
}

/** From here on it may be retired: what is left of its rows in blocks that reach over the bound is in the trail. */
export async function markArchived(
  { schema, store }: Pick<ArchiveContext, 'schema' | 'store'>,
  session: Connection,
  retirement: Retirement,
  archives: readonly ReadManifest[],
): Promise<void> {
  await session.run((client) => client.query('begin'))
  try {
    for (const { folder, manifest } of archives.filter((one) => retirement.manifests.includes(one.hash))) {
      for await (const lines of readLines(store, folder, manifest.leaves)) {
        const inside = lines.map(leafOfLine).filter((leaf: StoredLeaf) => leaf.partition === retirement.name)
        if (inside.length > 0) await session.run((client) => keepLeaves(client, schema, inside))
      }
    }
    await session.run((client) => writeRetirement(client, schema, retirement))
    await session.run((client) => client.query('commit'))
  } catch (error) {
    if (!session.isBroken) await session.run((client) => client.query('rollback'))
    throw error
  }
}

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { AuditError } from '../../errors.js'
import { JSON } from '../../host/globals.js'
import { RowProofs } from '../../postgres/read/row-proof.js'
import type { Snapshot } from '../../postgres/read/snapshot.js'
import type { UnprovenRow } from '../../query/bundle/bundle-manifest.js'
import { NotesFile } from '../../query/bundle/notes-file.js'
import { FILE_MODE } from '../../query/export/part-file.js'
import { Progress } from './progress.js'

export interface WrittenProofs {
  readonly written: number
  readonly unproven: readonly UnprovenRow[]
}

/** Writes `proofs.ndjson` and `notes.txt`: a proof of each row that can be proven, in the order of the ids that are given. */
export async function writeProofs(
  directory: string,
  reader: Snapshot,
  ids: readonly bigint[],
): Promise<WrittenProofs> {
  const proofs = new RowProofs(reader)
  const notes = new NotesFile()
  const unproven: UnprovenRow[] = []
  const progress = new Progress('proofs')
  let written = 0
  const proofsFile = await open(join(directory, 'proofs.ndjson'), 'wx', FILE_MODE)
  const notesFile = await open(join(directory, 'notes.txt'), 'wx', FILE_MODE)
  try {
    for (const id of ids) {
      const proof = await proofs.of(id).catch(refutation)
      if (typeof proof === 'string') {
        unproven.push({ audit_id: String(id), why: proof })
        continue
      }
      await proofsFile.appendFile(`${JSON.stringify(proof)}\n`)
      await notesFile.appendFile(notes.add(proof))
      written++
      progress.add(1)
    }
    await proofsFile.datasync()
    await notesFile.datasync()
  } finally {
    progress.end()
    await proofsFile.close()
    await notesFile.close()
  }
  return { written, unproven: unproven.map(({ audit_id, why }) => ({ audit_id, why: WHY[why] ?? why })) }
}

const WHY: Readonly<Record<string, string>> = {
  'no row': 'it is not there any more',
  'no block': 'it has no block',
}

/** That a row cannot be proven is a finding of the bundle, and does not keep it from being made. */
function refutation(error: unknown): string {
  if (error instanceof AuditError && error.code === 'AUDIT_EVIDENCE_REFUTED') return error.reason
  throw error
}

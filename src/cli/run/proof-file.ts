import { JSON } from '../../host/globals.js'
import { visible, visibleJson, visibleLines } from '../../host/visible.js'
import { open } from 'node:fs/promises'
import { parseBlock } from '../../chain/block-parse.js'
import { parseNote } from '../../chain/note.js'
import { checkRowProof, eventJson, type ProvenRow } from '../../verify/row-proof.js'
import type { Trust } from '../../verify/trust.js'
import { AuditError } from '../../errors.js'
import { proofOfRow } from '../../postgres/read/row-proof.js'
import type { Snapshot } from '../../postgres/read/snapshot.js'
import { textOf } from './verify-input.js'
import type { VerifyFormat } from './verify-output.js'

/**
 * Writes a row with everything that proves it. It is not checked here: that is for its recipient.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED` when there is no such row, it has no block, or the file cannot be written;
 *   `AUDIT_EVIDENCE_REFUTED` when its block cannot prove it
 */
export async function writeProofFile(reader: Snapshot, auditId: bigint, path: string): Promise<void> {
  const proof = await proofOfRow(reader, auditId)
  if (proof === 'no row') throw missing(`there is no row ${auditId}`)
  if (proof === 'no block') throw missing(`row ${auditId} has no block`)
  await writeNew(path, `${JSON.stringify(proof, undefined, 2)}\n`)
  const { chain, number } = parseBlock(parseNote(proof.block).text)
  process.stdout.write(
    `${visible(`row ${auditId}, index ${proof.index} of block ${number} of chain ${chain}: ${path}`)}\n`,
  )
}

/** @returns whether the proof holds; says so on standard output */
export async function checkProofFile(path: string, trust: Trust, format: VerifyFormat): Promise<boolean> {
  const text = await textOf(path)
  try {
    const row = checkRowProof(text, trust)
    process.stdout.write(format === 'table' ? provenTable(row) : jsonOf(provenJson(row), format))
    return true
  } catch (error) {
    if (!(error instanceof AuditError) || error.code !== 'AUDIT_EVIDENCE_REFUTED') throw error
    const refuted = { result: 'refuted', message: error.message }
    process.stdout.write(
      format === 'table' ? `refuted    ${visible(error.message)}\n` : jsonOf(refuted, format),
    )
    return false
  }
}

function provenTable({ event, block, index, enrolled }: ProvenRow): string {
  const { credential, operation, outcome } = event
  return visibleLines([
    `proven     row ${event.auditId}, ${new Date(event.occurredAt / 1000).toISOString()}`,
    `           ${operation} ${JSON.stringify(credential)}: ${outcome}`,
    `by         index ${index} of block ${block.number} of chain ${block.chain}, log ${block.log}`,
    `enrolled   ${enrolled ? 'yes' : 'no: nothing says that the chain is the operator’s'}`,
    '',
  ])
}

function provenJson({ event, block, index, enrolled }: ProvenRow): object {
  return {
    result: 'proven',
    event: eventJson(event),
    log: block.log,
    chain: block.chain,
    block: block.number,
    index,
    enrolled,
  }
}

function jsonOf(value: object, format: VerifyFormat): string {
  return visibleJson(`${JSON.stringify(value, undefined, format === 'json' ? 2 : undefined)}\n`)
}

/** Never over something that is there. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600)
    await file.writeFile(text)
    await file.close()
  } catch (error) {
    throw missing(`${path} cannot be written (${String((error as { code?: unknown }).code)})`)
  }
}

function missing(message: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', message)
}

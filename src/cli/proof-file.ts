import { open } from 'node:fs/promises'
import type { BlockColumns } from '../chain/block-columns.js'
import { checkRowProof, makeRowProof } from '../chain/verify/row-proof.js'
import type { Trust } from '../chain/verify/trust.js'
import { AuditError } from '../errors.js'
import type { PlacedEvent, TrailReader } from '../sink/postgres/trail-reader.js'
import { textOf } from './verify-input.js'

/**
 * Writes a row with everything that proves it. It is not checked here: that is for whoever gets it.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED` when there is no such row, it has no block, or the file cannot be written
 */
export async function writeProofFile(reader: TrailReader, auditId: bigint, path: string): Promise<void> {
  const row = await reader.event(auditId)
  if (row === undefined) throw missing(`there is no row ${auditId}`)
  if (row.place === undefined) throw missing(`row ${auditId} has no block`)
  const { block, keyBlocks } = await blocksFor(reader, row.place)
  const digests = await digestsOf(reader, block)
  if (digests[row.place.index] === undefined) throw missing(`row ${auditId} is not in its place`)
  const proof = makeRowProof(row.event, row.place.index, digests, block, keyBlocks)
  await writeNew(path, `${JSON.stringify(proof, undefined, 2)}\n`)
  process.stdout.write(
    `row ${auditId}, index ${row.place.index} of block ${row.place.block} of chain ${row.place.chain}: ${path}\n`,
  )
}

/** @returns whether the proof holds; says so on standard output */
export async function checkProofFile(path: string, trust: Trust): Promise<boolean> {
  const text = await textOf(path)
  try {
    const { event, block, index, enrolled } = checkRowProof(text, trust)
    const { credential, operation, outcome } = event
    process.stdout.write(
      [
        `proven     row ${event.auditId}, ${new Date(event.occurredAt / 1000).toISOString()}`,
        `           ${operation} ${JSON.stringify(credential)}: ${outcome}`,
        `by         index ${index} of block ${block.number} of chain ${block.chain}, log ${block.log}`,
        `enrolled   ${enrolled ? 'yes' : 'no: nothing says that the chain is the operator’s'}`,
        '',
      ].join('\n'),
    )
    return true
  } catch (error) {
    if (!(error instanceof AuditError) || error.code !== 'AUDIT_EVIDENCE_REFUTED') throw error
    process.stdout.write(`refuted    ${error.message}\n`)
    return false
  }
}

type Place = NonNullable<PlacedEvent['place']>

async function blocksFor(
  reader: TrailReader,
  place: Place,
): Promise<{ block: BlockColumns; keyBlocks: readonly BlockColumns[] }> {
  const keyBlocks: BlockColumns[] = []
  let block: BlockColumns | undefined
  for await (const batch of reader.blocks({ chain: place.chain, ids: undefined })) {
    for (const columns of batch) {
      if (columns.blockNo === BigInt(place.block)) block = columns
      const isEarlier = columns.blockNo <= BigInt(place.block)
      if (isEarlier && (columns.kind === 'genesis' || columns.kind === 'rotate')) keyBlocks.push(columns)
    }
  }
  if (block === undefined) throw missing(`block ${place.block} of chain ${place.chain} is not there`)
  return { block, keyBlocks }
}

async function digestsOf(reader: TrailReader, block: BlockColumns): Promise<Uint8Array[]> {
  const { chainId: chain, minId, maxId, blockNo } = block
  const digests: Uint8Array[] = []
  if (minId === null || maxId === null) return digests
  for await (const batch of reader.rows({ first: minId, last: maxId }, { chain, ids: undefined })) {
    for (const row of batch)
      if (row.block === Number(blockNo) && row.index !== null) digests[row.index] = row.computed
  }
  if (digests.length !== block.rowCount || digests.includes(undefined as never)) {
    throw missing(`rows of block ${blockNo} are missing: nothing in it can be proven`)
  }
  return digests
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

import { rowLeaf } from '../../chain/block.js'
import { noteOfColumns } from '../../chain/block-columns.js'
import { sameBytes } from '../../chain/hash.js'
import { merkleRoot } from '../../chain/merkle.js'
import { VerifierKey } from '../../chain/note-key.js'
import type { WriterChain } from '../../chain/writer-chain.js'
import type { BatchEntry } from '../../contract/sink.js'
import { AuditError } from '../../errors.js'
import { eventDigest } from '../../event/digest.js'
import type { AuditEvent } from '../../event/event.js'
import { diag } from '../../host/diagnostics.js'
import { provenBlock } from '../../verify/row-proof.js'
import { NO_TRUST, type Trust } from '../../verify/trust.js'
import type { Connection } from '../connection.js'
import { endsSession, isServerError, isStatementTimeOut, mayPass, withoutRowContents } from '../faults.js'
import type { AppendStatements, HeldElsewhere, HeldRow } from './append.js'

/** Most blocks that are looked at for one batch: rows of further ones count as not proven. */
const MOST_BLOCKS = 64
/** Most rows of a block that is looked at. */
const MOST_ROWS = 10_000

type OwnChains = Pick<WriterChain, 'trail' | 'enrolmentKey'>

/**
 * Which ids are taken, and by which event: its digest, where that is *proven*, else `null`.
 *
 * Whoever may insert a row may put any digest beside any content, and any block beside any row. So a digest counts only when
 * the row's columns give it, and the row lies in a block that its chain's keys have signed: a chain of this trail, and an
 * enrolled one where there is an enrolment key. Whatever stands in the way of that proof (garbage, an error, more work than a
 * bound) is a "no". A lock, a server that is short of something, and a time-out are not in the row: then nothing is known.
 *
 * @param ours what our own chains are known by: their trail, and the verifier key of what enrols them
 * @throws what breaks the connection, or may pass
 */
export async function foundDigests(
  connection: Connection,
  sql: AppendStatements,
  ids: readonly bigint[],
  ours: OwnChains,
  patience: Patience,
): Promise<Map<bigint, Buffer | null>> {
  const found = await connection.run((client) => sql.held(client, ids))
  const digests = await provenDigests(connection, sql, found, ours, patience)
  const squatted = [...digests.values()].filter((digest) => digest === null).length
  if (squatted > 0) {
    diag.warn(
      `otel-audit: ${squatted} ids are taken by rows that no block proves; the events get other ids, and are written again`,
    )
  }
  return digests
}

/**
 * Which of these events are stored under their ids as what they were before a gateway had them, or as what a gateway has made of
 * them. Only what is {@link foundDigests proven} to be stored.
 *
 * @param held what is stored under their ids
 */
export async function storedAlike(
  connection: Connection,
  sql: AppendStatements,
  entries: readonly BatchEntry[],
  held: ReadonlyMap<bigint, Buffer | null>,
): Promise<ReadonlySet<bigint>> {
  const candidates = entries.flatMap(({ event, digest, alike }) => {
    const found = held.get(event.auditId)
    if (found === undefined || found === null || found.equals(digest)) return []
    const { auditId: id, originalAuditId, serviceName: service } = event
    return (alike ?? [event]).map((like) => ({
      id,
      service,
      isHandedIn: alike !== undefined,
      digest: eventDigest({
        ...like,
        auditId: id,
        originalAuditId,
        serviceName: null,
        serviceInstanceId: null,
      }),
    }))
  })
  if (candidates.length === 0) return new Set()
  return connection.run((client) => sql.sameEvent(client, candidates))
}

/**
 * Which of these events are stored under another id: an earlier send gave them an id of another time. Rows count as in
 * {@link foundDigests}, and only as the very event: the digest that it has under their id.
 *
 * @returns the ids that the events have now, with the digests that they have now
 * @throws what the connection throws: then nothing is known
 */
export async function storedElsewhere(
  connection: Connection,
  sql: AppendStatements,
  entries: readonly BatchEntry[],
  ours: OwnChains,
  patience: Patience,
): Promise<ReadonlyMap<bigint, Buffer>> {
  const events = entries.map(({ event }) => event)
  const rows = await connection.run((client) => sql.heldElsewhere(client, events))
  const byFirstId = new Map<bigint, HeldElsewhere[]>()
  for (const row of rows) {
    const first = row.originalAuditId ?? row.auditId
    const others = byFirstId.get(first)
    if (others === undefined) byFirstId.set(first, [row])
    else others.push(row)
  }
  const same = (event: AuditEvent): readonly HeldRow[] =>
    (byFirstId.get(event.originalAuditId ?? event.auditId) ?? []).filter(
      ({ auditId, originalAuditId, digest }) =>
        digest?.equals(eventDigest({ ...event, auditId, originalAuditId })) === true,
    )
  const found = entries.map((entry) => [entry, same(entry.event)] as const)
  const candidates = found.flatMap(([, held]) => held)
  if (candidates.length === 0) return new Map()
  const digests = await provenDigests(connection, sql, candidates, ours, patience)
  const stored = found.filter(([, held]) => held.some(({ auditId }) => digests.get(auditId) !== null))
  return new Map(stored.map(([{ event, digest }]) => [event.auditId, digest]))
}

async function provenDigests(
  connection: Connection,
  sql: AppendStatements,
  found: readonly HeldRow[],
  ours: OwnChains,
  patience: Patience,
): Promise<Map<bigint, Buffer | null>> {
  const digests = new Map<bigint, Buffer | null>(found.map(({ auditId }) => [auditId, null]))
  const trust = trustIn(ours)
  const genuine = await orNothing(connection, patience, () =>
    connection.run((client) => sql.proven(client, [...digests.keys()])),
  )
  const candidates = found.filter(({ auditId }) => genuine?.has(auditId))
  for (const rows of [...byBlock(candidates).values()].slice(0, MOST_BLOCKS)) {
    const proven = await orNothing(connection, patience, () => provenRows(connection, sql, rows, trust))
    for (const { auditId, digest } of proven ?? []) digests.set(auditId, digest)
  }
  patience.timeOuts = 0
  return digests
}

function trustIn({ trail, enrolmentKey }: OwnChains): Trust {
  const enrolment = enrolmentKey === undefined ? [] : [VerifierKey.parse(enrolmentKey)]
  return { ...NO_TRUST, trails: [trail], enrolment }
}

/** How often in a row proofs took longer than a statement may. Owned by a writer. */
export interface Patience {
  timeOuts: number
}

/** As often it may be the load; then it is the row, which somebody has made so that it takes that long. */
const MOST_TIME_OUTS = 3

/** @throws what breaks the connection, or may pass */
async function orNothing<T>(
  connection: Connection,
  patience: Patience,
  prove: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await prove()
  } catch (error) {
    if (connection.isBroken) throw error
    if (isServerError(error) && (endsSession(error) || mayPass(error))) {
      const isTimeOut = isStatementTimeOut(error)
      if (!isTimeOut || ++patience.timeOuts < MOST_TIME_OUTS) throw error
    }
    const why = error instanceof AuditError ? error.reason : withoutRowContents(error).message
    diag.debug(`otel-audit: a row that is stored under our id is not proven: ${why}`)
    return undefined
  }
}

interface PlacedRow extends HeldRow {
  readonly digest: Buffer
  readonly chain: string
  readonly block: bigint
  readonly index: number
}

function byBlock(rows: readonly HeldRow[]): Map<string, PlacedRow[]> {
  const blocks = new Map<string, PlacedRow[]>()
  for (const row of rows) {
    const { chain, block, index, digest } = row
    if (chain === null || block === null || index === null || digest === null) continue
    const key = `${chain} ${block}`
    const placed = { ...row, chain, block, index, digest }
    blocks.set(key, [...(blocks.get(key) ?? []), placed])
  }
  return blocks
}

/** Those of one block that are in it. @throws AuditError unless it is proven */
async function provenRows(
  connection: Connection,
  sql: AppendStatements,
  rows: readonly PlacedRow[],
  trust: Trust,
): Promise<readonly PlacedRow[]> {
  const [{ chain, block: number } = NO_PLACE] = rows
  const blocks = await connection.run((client) => sql.heldBlocks(client, chain, number))
  const columns = blocks.find(({ blockNo }) => blockNo === number)
  if (columns === undefined || columns.minId === null || columns.maxId === null) return []
  if (columns.rowCount > MOST_ROWS) return []
  const keys = blocks.filter(({ kind }) => kind === 'genesis' || kind === 'rotate')
  const { block } = provenBlock(noteOfColumns(columns), keys.map(noteOfColumns), trust)
  const digests = await connection.run((client) => sql.heldMates(client, columns))
  if (digests.size !== block.rows) return []
  const leaves: Buffer[] = []
  for (let index = 0; index < block.rows; index++) {
    const digest = digests.get(index)
    if (digest === undefined) return []
    leaves.push(rowLeaf(block.chain, block.number, index, digest))
  }
  if (!sameBytes(merkleRoot(leaves), block.root)) return []
  return rows.filter(({ index, digest }) => digests.get(index)?.equals(digest))
}

const NO_PLACE = { chain: '', block: -1n }

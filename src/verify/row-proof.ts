import { AuditError } from '../errors.js'
import { eventDigest } from '../event/digest.js'
import { type AuditEvent, type Field, FIELDS } from '../event/fields.js'
import { type Block, BLOCKS_PER_KEY, isKeyOverdue, rowLeaf } from '../chain/block.js'
import { type BlockColumns, noteOfColumns } from '../chain/block-columns.js'
import { parseBlock } from '../chain/block-parse.js'
import { fromBase64, toBase64 } from '../chain/hash.js'
import { inclusionProof, verifyInclusion } from '../chain/merkle.js'
import { openNote, parseNote } from '../chain/note.js'
import { VerifierKey } from '../chain/note-key.js'
import { openGenesis } from './genesis.js'
import type { Trust } from './trust.js'

const FORMAT = 'otel-audit/proof/v1'

/** One row with all that proves it, as JSON. Ids are decimal strings, what is NULL is left out. */
export interface RowProof {
  readonly format: typeof FORMAT
  readonly event: Readonly<Record<string, string | number>>
  /** Of the row in its block, from 0. */
  readonly index: number
  /** The audit path from its leaf to the block's root, base64. */
  readonly path: readonly string[]
  /** The block as a signed note. */
  readonly block: string
  /** Notes of the genesis block and of every rotation up to the block: they name the key that signed it. */
  readonly keys: readonly string[]
}

/** A row that is proven, and what it is proven by. */
export interface ProvenRow {
  readonly event: AuditEvent
  readonly block: Block
  readonly index: number
  /** An enrolment key of the trust file has signed the chain's genesis. */
  readonly enrolled: boolean
}

/**
 * @param digests of all rows of the block, in order
 * @param keyBlocks the genesis block, and the rotations before the block
 */
export function makeRowProof(
  event: AuditEvent,
  index: number,
  digests: readonly Uint8Array[],
  block: BlockColumns,
  keyBlocks: readonly BlockColumns[],
): RowProof {
  const { chainId, blockNo } = block
  const leaves = digests.map((digest, i) => rowLeaf(chainId, Number(blockNo), i, digest))
  return {
    format: FORMAT,
    event: Object.fromEntries(
      Object.entries(event).flatMap(([field, value]) =>
        value === null ? [] : [[field, typeof value === 'bigint' ? String(value) : value]],
      ),
    ) as RowProof['event'],
    index,
    path: inclusionProof(leaves, index).map(toBase64),
    block: noteOfColumns(block),
    keys: keyBlocks.map(noteOfColumns),
  }
}

/**
 * Checks a proof, with nothing but what the auditor knows.
 *
 * 1. The genesis block is signed by the key that the chain's id is made from, and enrolled if the trust file has keys.
 * 2. Each rotation is signed by the key before it, and none is left out, as far as a key signs for a fixed number of
 *    blocks at most; so the key that was current at the block is known.
 * 3. The block is signed by that key.
 * 4. The row's digest, in its place, leads to the block's root.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED` for what is not a proof, `AUDIT_EVIDENCE_REFUTED` naming the step that fails
 */
export function checkRowProof(text: string, trust: Trust): ProvenRow {
  const proof = parsedProof(text)
  const { block, enrolled } = provenBlock(proof.block, proof.keys, trust)
  const event = eventOf(proof.event)
  const leaf = rowLeaf(block.chain, block.number, proof.index, eventDigest(event))
  step('the place of the row in the block', () =>
    verifyInclusion(leaf, proof.index, block.rows, proof.path.map(hash), block.root),
  )
  return { event, block, index: proof.index, enrolled }
}

/**
 * The first three steps of {@link checkRowProof}.
 *
 * @param note of the block
 * @param keys notes of the genesis block and of every rotation up to the block
 * @throws AuditError as it does
 */
export function provenBlock(
  note: string,
  keys: readonly string[],
  trust: Trust,
): Pick<ProvenRow, 'block' | 'enrolled'> {
  const block = step('the block', () => parseBlock(parseNote(note).text))
  const enrolled = step('the genesis block', () => checkGenesis(keys[0], block, trust))
  const key = step('the rotations', () => currentKey(keys, block))
  step('the signature of the block', () => openNote(note, [key]))
  return { block, enrolled }
}

function checkGenesis(note: string | undefined, block: Block, trust: Trust): boolean {
  const { block: genesis } = openGenesis(note ?? '')
  if (genesis.chain !== block.chain) throw refuted('it is of another chain')
  if (trust.origin !== undefined && (genesis.log !== trust.origin || block.log !== trust.origin)) {
    throw refuted(`it is of log ${genesis.log}, not of ${trust.origin}`)
  }
  if (trust.enrolment.length === 0) return false
  openNote(note ?? '', trust.enrolment)
  return true
}

/** The key that was current at the block, by the rotations before it. */
function currentKey([first, ...rotations]: readonly string[], block: Block): VerifierKey {
  let { key } = openGenesis(first ?? '')
  let last = 0
  for (const note of rotations) {
    const rotation = parseBlock(openNote(note, [key]).text)
    const { kind, chain, number } = rotation
    if (kind !== 'rotate' || chain !== block.chain || number <= last || number > block.number) {
      throw refuted('a rotation is not of this chain, or out of order')
    }
    checkAge(rotation, last)
    last = number
    key = VerifierKey.parse(rotation.writer ?? '')
    openNote(note, [key])
  }
  checkAge(block, last)
  return key
}

/** Whoever has an old key could leave out the rotation that has replaced it. */
function checkAge(block: Block, keyFrom: number): void {
  if (!isKeyOverdue(block, keyFrom)) return
  const limit = `a key signs for ${BLOCKS_PER_KEY} blocks at most`
  throw refuted(`one is missing between block ${keyFrom} and block ${block.number}: ${limit}`)
}

type Json = Readonly<Record<string, unknown>>

function parsedProof(text: string): RowProof {
  const proof = parsedJson(text)
  if (proof['format'] !== FORMAT) throw malformed(`format must be "${FORMAT}"`)
  const { event, index, path, block, keys } = proof
  if (typeof event !== 'object' || event === null) throw malformed('event must be an object')
  if (!Number.isSafeInteger(index)) throw malformed('index must be an integer')
  if (!isTexts(path) || !isTexts(keys)) throw malformed('path and keys must be arrays of strings')
  if (typeof block !== 'string') throw malformed('block must be a string')
  return proof as unknown as RowProof
}

function parsedJson(text: string): Json {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Json
  } catch {
    // The parser's message quotes the text.
  }
  throw malformed('not JSON')
}

const INTEGERS: ReadonlySet<string> = new Set(
  FIELDS.filter(({ kind }) => kind === 'int8').map(({ name }) => name),
)

/** Nothing known, but where the proof says something. */
const NOTHING = Object.freeze(
  Object.fromEntries(FIELDS.map((field) => [field.name, nothingIn(field)])),
) as unknown as AuditEvent

function nothingIn({ kind, required }: Field): bigint | number | string | null {
  if (required === undefined) return null
  if (kind === 'int8') return 0n
  return kind === 'time' ? 0 : ''
}

function eventOf(given: Json): AuditEvent {
  const fields = Object.entries(given).map(([field, value]) => {
    if (!Object.hasOwn(NOTHING, field)) throw malformed(`event.${field} is not a field of an event`)
    if (INTEGERS.has(field)) {
      if (!/^-?\d{1,19}$/.test(String(value)))
        throw malformed(`event.${field} must be an integer as a string`)
      return [field, BigInt.asIntN(64, BigInt(String(value)))]
    }
    const isRight = field === 'occurredAt' ? Number.isSafeInteger(value) : typeof value === 'string'
    if (!isRight) throw malformed(`event.${field} has the wrong type`)
    return [field, value]
  })
  return { ...NOTHING, ...(Object.fromEntries(fields) as Partial<AuditEvent>) }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function hash(text: string): Uint8Array {
  return fromBase64(text) ?? new Uint8Array(0)
}

/** What is refuted says where. */
function step<T>(what: string, check: () => T): T {
  try {
    return check()
  } catch (cause) {
    if (!(cause instanceof AuditError)) throw cause
    throw refuted(`${what}: ${cause.reason}`, cause)
  }
}

function malformed(message: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', `not a proof of a row: ${message}`)
}

function refuted(message: string, cause?: AuditError): AuditError {
  return new AuditError('AUDIT_EVIDENCE_REFUTED', message, cause === undefined ? {} : { cause })
}

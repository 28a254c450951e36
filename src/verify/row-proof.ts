import { JSON } from '../host/globals.js'
import { AuditError } from '../errors.js'
import { eventDigest } from '../event/digest.js'
import { type AuditEvent, type Field, FIELDS } from '../event/fields.js'
import { type Block, BLOCKS_PER_KEY, isKeyOverdue, rowLeaf } from '../chain/block.js'
import { type BlockColumns, noteOfColumns } from '../chain/block-columns.js'
import { parseBlock } from '../chain/block-parse.js'
import { fromBase64, isHash, toBase64 } from '../chain/hash.js'
import { inclusionProof, verifyInclusion } from '../chain/merkle.js'
import { openNote, parseNote } from '../chain/note.js'
import { VerifierKey } from '../chain/note-key.js'
import { enrolmentKeysFor, openGenesis, whyForeign } from './genesis.js'
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
    event: eventJson(event),
    index,
    path: inclusionProof(leaves, index).map(toBase64),
    block: noteOfColumns(block),
    keys: keyBlocks.map(noteOfColumns),
  }
}

/** The fields of an event as a proof has them: integers as text, what is NULL left out. */
export function eventJson(event: AuditEvent): RowProof['event'] {
  const fields = Object.entries(event).flatMap(([field, value]) =>
    value === null
      ? []
      : [[field, typeof value === 'bigint' ? String(value) : (value as string | number)] as const],
  )
  return Object.fromEntries(fields)
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
  const stated = step('the block', () => parseBlock(parseNote(proof.block).text))
  step('the place of the row in the block', () => checkPlace(proof, stated))
  const { block, enrolled } = provenBlock(proof.block, proof.keys, trust)
  const { event, index, path } = proof
  const leaf = rowLeaf(block.chain, block.number, index, eventDigest(event))
  step('the place of the row in the block', () => verifyInclusion(leaf, index, block.rows, path, block.root))
  return { event, block, index, enrolled }
}

/** The first row of a block has its smallest id, the last one its largest, and the others lie between. */
function checkPlace({ event, index }: CheckedProof, { ids, rows }: Block): void {
  if (ids === undefined || index >= rows)
    throw refuted(`the block has ${rows} rows, and this one says index ${index}`)
  const isFirst = index === 0
  const isLast = index === rows - 1
  const { auditId } = event
  const fits =
    isFirst === (auditId === ids.first) &&
    isLast === (auditId === ids.last) &&
    auditId >= ids.first &&
    auditId <= ids.last
  if (!fits)
    throw refuted(`row ${auditId} cannot have index ${index}: the block has ids ${ids.first} to ${ids.last}`)
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
  if (note === undefined) throw refuted('it is not there')
  const { block: genesis } = openGenesis(note)
  if (genesis.chain !== block.chain) throw refuted('it is of another chain')
  if (trust.origin !== undefined && (genesis.log !== trust.origin || block.log !== trust.origin)) {
    throw refuted(`it is of log ${genesis.log}, not of ${trust.origin}`)
  }
  const foreign = whyForeign(genesis, trust)
  if (foreign !== undefined) throw refuted(`its chain is not of this trail: ${foreign}`)
  if (trust.enrolment.length === 0) return false
  openNote(note, enrolmentKeysFor(genesis.log, trust))
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

/** A proof that is one by its form. */
interface CheckedProof extends Pick<RowProof, 'index' | 'block' | 'keys'> {
  readonly event: AuditEvent
  readonly path: readonly Uint8Array[]
}

/** Indexes are hashed with 32 bits. */
const INDEXES = 2 ** 32

function parsedProof(text: string): CheckedProof {
  const proof = parsedJson(text)
  if (proof['format'] !== FORMAT) throw malformed(`format must be "${FORMAT}"`)
  const { event, index, path, block, keys } = proof
  if (typeof event !== 'object' || event === null || Array.isArray(event))
    throw malformed('event must be an object')
  if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0 || index >= INDEXES) {
    throw malformed('index must be an integer, from 0 to 2^32 − 1')
  }
  if (!isTexts(path) || !isTexts(keys)) throw malformed('path and keys must be lists of text')
  if (typeof block !== 'string') throw malformed('block must be text')
  return { event: eventOf(event as Json), index, path: path.map(hash), block, keys }
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

const REQUIRED = ['auditId', 'occurredAt', 'credential', 'operation', 'outcome'] as const

/** Each value is written in one way only: what is shown as proven is what was proven. */
function eventOf(given: Json): AuditEvent {
  for (const field of REQUIRED) if (!Object.hasOwn(given, field)) throw malformed(`event.${field} is missing`)
  const fields = Object.entries(given).map(([field, value]) => {
    if (!Object.hasOwn(NOTHING, field)) throw malformed(`event.${field} is not a field of an event`)
    if (INTEGERS.has(field)) return [field, integer(field, value)]
    const isRight =
      field === 'occurredAt' ? Number.isSafeInteger(value) : typeof value === 'string' && value.isWellFormed()
    if (!isRight) throw malformed(`event.${field} has the wrong type`)
    return [field, value]
  })
  const event = { ...NOTHING, ...(Object.fromEntries(fields) as Partial<AuditEvent>) }
  if (event.auditId < 0n) throw malformed('event.auditId is negative')
  return event
}

function integer(field: string, value: unknown): bigint {
  const number = typeof value === 'string' && /^(0|-?[1-9]\d{0,18})$/.test(value) ? BigInt(value) : undefined
  if (number === undefined || BigInt.asIntN(64, number) !== number) {
    throw malformed(`event.${field} must be an integer of 64 bits as text, in decimal without leading zeros`)
  }
  return number
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function hash(text: string): Uint8Array {
  const bytes = fromBase64(text)
  if (!isHash(bytes)) throw malformed('path must have hashes of 32 bytes in base64')
  return bytes
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

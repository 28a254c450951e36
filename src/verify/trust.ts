import { AuditError } from '../errors.js'
import { INT8_MIN } from '../event/int8.js'
import { isSystemId, isTrailId } from '../chain/block.js'
import { isEnrolmentKeyName, isEvidenceKeyName } from '../chain/chain-key.js'
import { isKeyName, VerifierKey } from '../chain/note-key.js'
import { isRetentionKeyName } from './retention-note.js'
import { isVerifierKeyName } from './state/verifier-key.js'

/** What rows without a block mean: each is a finding, those from an id on are, or none is. */
export type UnsignedPolicy = 'none' | 'any' | { readonly before: bigint }

/** What an auditor knows by himself, and does not take from the database. */
export interface Trust {
  /** Name of the log. Undefined: whatever the blocks say. */
  readonly origin: string | undefined
  /** Keys of the operator. Without any, no chain is known to be the operator's. */
  readonly enrolment: readonly VerifierKey[]
  /** Keys of the operator that sign bundles of evidence. */
  readonly evidence?: readonly VerifierKey[] | undefined
  readonly unsigned: UnsignedPolicy
  /** Rows below this id were retired. */
  readonly rowsFrom: bigint
  /** Rows below this id were put here by a restore: their transactions are of another server. */
  readonly restoredBelow?: bigint | undefined
  /** Identities of the trail; more than one where a clone began another. None: that which the store says. */
  readonly trails?: readonly string[] | undefined
  /** The servers that it was written on. None: any. */
  readonly systems?: readonly string[] | undefined
  /** Blocks that were there when trust began. */
  readonly heads?: readonly PinnedBlock[] | undefined
  /** Chains with pinned blocks that end below this id need not be enrolled: there was no key yet. */
  readonly unenrolledBefore?: bigint | undefined
  /** Keys whose notes say which rows were retired, and sign archives. None: nobody's do. */
  readonly retention?: readonly VerifierKey[] | undefined
  /** Keys that sign the states of verifications. None: only the key that is at hand does. */
  readonly verifier?: readonly VerifierKey[] | undefined
}

/** A block as it was when the trust file was written. */
export interface PinnedBlock {
  /** 32 hex digits. */
  readonly chain: string
  readonly block: number
  /** SHA-256 of the block's text. */
  readonly hash: Uint8Array
}

/** Without a trust file. */
export const NO_TRUST: Trust = Object.freeze({
  origin: undefined,
  enrolment: [],
  unsigned: 'any',
  // Negative ids are nobody's of ours: whoever puts such a row in is not to hide there.
  rowsFrom: INT8_MIN,
})

/**
 * Reads a trust file: one statement a line, `#` begins a comment.
 *
 * ```
 * origin otel-audit/wallet
 * trail 5f0c…                                              (32 hex digits; any number of these)
 * system 7412345678901234567                               (any number of these)
 * enrolment otel-audit/wallet/enrolment+1f2e3d4c+AbCd…   (any number of these)
 * evidence otel-audit/wallet/evidence+5a6b7c8d+AbCd…     (any number of these)
 * retention otel-audit/wallet/retention+5a4b3c2d+AdEf…    (any number of these)
 * verifier otel-audit/wallet/verifier+6b5a4c3d+AcDe…      (any number of these)
 * unsigned before 384299930694800793                      (or none, or any)
 * rows-from 310000000000000000
 * restored below 384299930694800793
 * head <chain> <block> <SHA-256 of its text, hex>          (any number of these)
 * unenrolled before 384299930694800793
 * ```
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED`, naming the line
 */
export function parseTrust(text: string): Trust {
  const found: { -readonly [K in Once]?: Trust[K] } = {}
  const enrolment: VerifierKey[] = []
  const evidence: VerifierKey[] = []
  const retention: VerifierKey[] = []
  const verifier: VerifierKey[] = []
  const trails: string[] = []
  const systems: string[] = []
  const heads = new Map<string, PinnedBlock>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [word, ...values] = line
      .replace(/(^|\s)#.*$/, '')
      .trim()
      .split(/\s+/)
    const bad = (problem: string): AuditError => malformed(`line ${index + 1}: ${problem}`)
    const once = (known: unknown): void => {
      if (known !== undefined) throw bad(`${word} is given twice`)
    }
    const [first = '', second = '', third = ''] = values
    if (values.length > (word === 'head' ? 3 : 2)) throw bad('too many words')
    switch (word) {
      case '':
        break
      case 'origin':
        once(found.origin)
        if (!isKeyName(first) || second !== '') throw bad('origin takes the name of a log')
        found.origin = first
        break
      case 'trail':
        if (!isTrailId(first) || second !== '') throw bad('trail takes 32 lower-case hex digits')
        trails.push(first)
        break
      case 'system':
        if (!isSystemId(first) || second !== '') throw bad('system takes the identifier of a server')
        systems.push(first)
        break
      case 'enrolment':
        if (second !== '') throw bad('enrolment takes one verifier key')
        enrolment.push(enrolmentKey(first, bad))
        break
      case 'evidence':
        if (second !== '') throw bad('evidence takes one verifier key')
        evidence.push(evidenceKey(first, bad))
        break
      case 'retention':
        if (second !== '') throw bad('retention takes one verifier key')
        retention.push(retentionKey(first, bad))
        break
      case 'verifier':
        if (second !== '') throw bad('verifier takes one verifier key')
        verifier.push(verifierOf(first, bad))
        break
      case 'unsigned':
        once(found.unsigned)
        found.unsigned = unsignedPolicy(first, second, bad)
        break
      case 'rows-from':
        once(found.rowsFrom)
        if (second !== '') throw bad('rows-from takes one audit id')
        found.rowsFrom = auditId(first, bad)
        break
      case 'restored':
        once(found.restoredBelow)
        if (first !== 'below') throw bad('restored takes below and an audit id')
        found.restoredBelow = auditId(second, bad)
        break
      case 'head': {
        const head = pinnedBlock(first, second, third, bad)
        const place = `${head.chain} ${head.block}`
        if (heads.has(place)) throw bad(`head ${place} is given twice`)
        heads.set(place, head)
        break
      }
      case 'unenrolled':
        once(found.unenrolledBefore)
        if (first !== 'before') throw bad('unenrolled takes before and an audit id')
        found.unenrolledBefore = auditId(second, bad)
        break
      default:
        throw bad(`"${word}" is not a statement of a trust file (${STATEMENTS})`)
    }
  }
  return Object.freeze({
    origin: found.origin,
    enrolment,
    evidence: ifAny(evidence),
    unsigned: found.unsigned ?? NO_TRUST.unsigned,
    rowsFrom: found.rowsFrom ?? NO_TRUST.rowsFrom,
    restoredBelow: found.restoredBelow,
    trails: ifAny(trails),
    systems: ifAny(systems),
    heads: ifAny([...heads.values()]),
    unenrolledBefore: found.unenrolledBefore,
    retention: ifAny(retention),
    verifier: ifAny(verifier),
  })
}

/** What may be said once. */
type Once = 'origin' | 'unsigned' | 'rowsFrom' | 'restoredBelow' | 'unenrolledBefore'

const STATEMENTS =
  'origin, trail, system, enrolment, evidence, retention, verifier, unsigned, rows-from, restored, head, unenrolled'

/** Whether a row without a block is a finding. */
export function mustBeSigned({ unsigned }: Trust, auditId: bigint): boolean {
  if (typeof unsigned === 'object') return auditId >= unsigned.before
  return unsigned === 'none'
}

function ifAny<T>(found: readonly T[]): readonly T[] | undefined {
  return found.length === 0 ? undefined : found
}

type Bad = (problem: string) => AuditError

function unsignedPolicy(word: string, id: string, bad: Bad): UnsignedPolicy {
  if (word === 'before') return { before: auditId(id, bad) }
  if ((word === 'none' || word === 'any') && id === '') return word
  throw bad('unsigned takes none, any, or before and an audit id')
}

function auditId(text: string, bad: Bad): bigint {
  if (!/^\d{1,19}$/.test(text)) throw bad(`"${text}" is not an audit id`)
  return BigInt(text)
}

function pinnedBlock(chain: string, block: string, hash: string, bad: Bad): PinnedBlock {
  const number = /^(0|[1-9]\d{0,15})$/.test(block) ? Number(block) : Number.NaN
  if (!/^[0-9a-f]{32}$/.test(chain) || !Number.isSafeInteger(number) || !/^[0-9a-f]{64}$/.test(hash)) {
    throw bad('head takes a chain (32 hex digits), the number of a block and its hash (64 hex digits)')
  }
  return { chain, block: number, hash: Buffer.from(hash, 'hex') }
}

function enrolmentKey(text: string, bad: Bad): VerifierKey {
  const key = verifierKey(text, bad)
  if (!isEnrolmentKeyName(key.name)) throw bad('enrolment takes a key that is called <log>/enrolment')
  return key
}

function evidenceKey(text: string, bad: Bad): VerifierKey {
  const key = verifierKey(text, bad)
  if (!isEvidenceKeyName(key.name)) throw bad('evidence takes a key that is called <log>/evidence')
  return key
}

function retentionKey(text: string, bad: Bad): VerifierKey {
  const key = verifierKey(text, bad)
  if (!isRetentionKeyName(key.name)) throw bad('retention takes a key that is called <log>/retention')
  return key
}

function verifierOf(text: string, bad: Bad): VerifierKey {
  const key = verifierKey(text, bad)
  if (!isVerifierKeyName(key.name)) throw bad('verifier takes a key that is called <log>/verifier')
  return key
}

function verifierKey(text: string, bad: Bad): VerifierKey {
  try {
    return VerifierKey.parse(text)
  } catch (error) {
    throw bad((error as Error).message)
  }
}

function malformed(message: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', `the trust file, ${message}`)
}

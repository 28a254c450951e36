import { AuditError } from '../errors.js'
import { type Block, chainIdOf } from '../chain/block.js'
import { parseBlock } from '../chain/block-parse.js'
import { enrolmentKeyName } from '../chain/chain-key.js'
import { openNote, parseNote } from '../chain/note.js'
import { VerifierKey } from '../chain/note-key.js'
import type { Trust } from './trust.js'

/** The block that begins a chain, and the key that it brings. */
export interface Genesis {
  readonly block: Block
  readonly key: VerifierKey
}

/**
 * Reads the note of a genesis block, which its own key has signed, from which in turn the chain's id is made.
 *
 * @throws AuditError `AUDIT_EVIDENCE_REFUTED`, `AUDIT_BLOCK_MALFORMED` or `AUDIT_NOTE_…` for anything else
 */
export function openGenesis(note: string): Genesis {
  const block = parseBlock(parseNote(note).text)
  if (block.kind !== 'genesis') throw refuted('it is not that of a genesis block')
  const key = VerifierKey.parse(block.writer ?? '')
  openNote(note, [key])
  if (chainIdOf(key.publicKey) !== block.chain) throw refuted('the id of the chain is not that of its key')
  return { block, key }
}

/** The keys that may enrol chains of this log. That of another one, staging for instance, is known too, and vouches for nothing here. */
export function enrolmentKeysFor(log: string, { enrolment }: Trust): readonly VerifierKey[] {
  const name = enrolmentKeyName(log)
  return enrolment.filter((key) => key.name === name)
}

/** Why a chain that begins so is not one of the trail that is looked at. */
export function whyForeign({ opening }: Block, { trails = [], systems = [] }: Trust): string | undefined {
  if (opening === undefined) return undefined
  const { trail, system } = opening
  if (trails.length > 0 && !trails.includes(trail)) {
    return `it was written to trail ${trail}, and this is trail ${trails.join(' or ')}`
  }
  if (systems.length === 0 || (system !== undefined && systems.includes(system))) return undefined
  const server = system === undefined ? 'a server that it does not name' : `server ${system}`
  return `it began on ${server}, and the trust file knows of ${systems.join(' and ')}; after an upgrade or a move of the trail, add a line "system"`
}

/** @returns why these keys do not prove that the text is theirs */
export function signatureProblem(
  text: string,
  signatures: string,
  keys: readonly VerifierKey[],
): string | undefined {
  try {
    openNote(`${text}\n${signatures}`, keys)
    return undefined
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    return error.reason
  }
}

function refuted(message: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_REFUTED', message)
}

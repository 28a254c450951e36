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

function refuted(message: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_REFUTED', message)
}

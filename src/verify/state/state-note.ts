import { AuditError } from '../../errors.js'
import { sha256 } from '../../event/sha256.js'
import { isTrailId } from '../../chain/block.js'
import { openNote, parseNote, signNote } from '../../chain/note.js'
import { isKeyName, type NoteSigner, type VerifierKey } from '../../chain/note-key.js'
import { bodyText, parseBody } from './state-body.js'
import type { VerifyState } from './verify-state.js'

const FORMAT = 'otel-audit/verify-state/v1'

/**
 * The text of a state's file: a signed note with the SHA-256 of what follows it, an empty line, and that as one line of JSON.
 */
export function stateText(state: VerifyState, signer: NoteSigner): string {
  const { log, trail, sequence, before, time, ...rest } = state
  const body = bodyText(rest)
  const head =
    `${FORMAT}\nlog ${log}\ntrail ${trail}\nsequence ${sequence}\nbefore ${before ?? '-'}\n` +
    `time ${time}\nbody ${sha256(body).toString('hex')}\n`
  return `${signNote(head, signer)}\n${body}`
}

const HEAD =
  /^otel-audit\/verify-state\/v1\nlog (?<log>\S+)\ntrail (?<trail>\S+)\nsequence (?<sequence>[1-9]\d{0,15})\nbefore (?<before>-|[0-9a-f]{64})\ntime (?<time>0|[1-9]\d{0,15})\nbody (?<body>[0-9a-f]{64})\n$/

export interface OpenedState {
  readonly state: VerifyState
  /** Verifier keys that have signed it. */
  readonly signedBy: readonly string[]
}

/**
 * Reads a state, and believes it only where one of the keys has signed it.
 *
 * @throws AuditError `AUDIT_VERIFY_STATE` for anything else: it is cut, changed, signed by somebody else, or not a state
 */
export function openState(text: string, keys: readonly VerifierKey[]): OpenedState {
  const { note, body } = partsOf(text)
  const head = parsedHead(note)
  const signed = keys.filter((key) => isSignedBy(note, key))
  if (signed.length === 0)
    throw refused('no verifier key that is trusted has signed it: it was forged or changed')
  const { log = '', trail = '', sequence, before, time } = head
  if (sha256(body).toString('hex') !== head['body'])
    throw refused('what follows its note is not what was signed: it was cut or changed')
  const state = {
    ...parseBody(body),
    log,
    trail,
    sequence: Number(sequence),
    before: before === '-' ? undefined : before,
    time: Number(time),
  }
  return { state, signedBy: signed.map(String) }
}

/** The note ends with the first empty line after its signatures. */
function partsOf(text: string): { readonly note: string; readonly body: string } {
  const signatures = text.indexOf('\n\n')
  const end = signatures < 0 ? -1 : text.indexOf('\n\n', signatures + 2)
  if (!text.startsWith(`${FORMAT}\n`) || end < 0) throw refused('it is not one, or was cut')
  return { note: text.slice(0, end + 1), body: text.slice(end + 2) }
}

function parsedHead(note: string): Readonly<Record<string, string>> {
  try {
    const found = HEAD.exec(parseNote(note).text)?.groups
    if (found !== undefined && isKeyName(found['log'] ?? '') && isTrailId(found['trail'] ?? '')) return found
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
  }
  throw refused('its note is not that of one')
}

function isSignedBy(note: string, key: VerifierKey): boolean {
  try {
    openNote(note, [key])
    return true
  } catch (error) {
    if (error instanceof AuditError) return false
    throw error
  }
}

function refused(message: string): AuditError {
  return new AuditError('AUDIT_VERIFY_STATE', `the state of earlier verifications is refused: ${message}`)
}

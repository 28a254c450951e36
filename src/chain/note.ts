import { AuditError } from '../errors.js'
import { fromBase64, toBase64 } from './hash.js'
import { isKeyName, type NoteSigner, SIGNATURE_BYTES, VerifierKey } from './note-key.js'

/** Signatures that a note may have. More are refused unread. */
const MAX_SIGNATURES = 100
/** Length that a note may have, in UTF-8 bytes. */
const MAX_NOTE_BYTES = 1_000_000

const KEY_ID_BYTES = 4
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL_BUT_NEWLINE = /[\u0000-\u0009\u000b-\u001f]/

/** A note whose signatures by known keys are all valid. There is one at least. */
export interface OpenedNote {
  /** Ends in a newline. */
  readonly text: string
  /** Names of the known keys that signed it, each once. */
  readonly verified: readonly string[]
  /** Names on the signature lines of unknown keys. Anybody may have put them there. */
  readonly unverified: readonly string[]
}

/** One signature line, not verified. */
interface NoteSignature {
  readonly name: string
  /** 8 lower-case hex digits. */
  readonly keyId: string
  readonly signature: Uint8Array
}

/** A note in its parts, nothing of which is verified. */
export interface ParsedNote {
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/**
 * Signs a text: the text, a blank line, and one line for each signer, `— <name> base64(key id:4 ‖ signature:64)`.
 * Source: C2SP signed-note.
 *
 * @param text valid Unicode that ends in a newline, without other control characters of ASCII
 * @throws AuditError `AUDIT_NOTE_MALFORMED` for another text, or without a signer
 */
export function signNote(text: string, ...signers: readonly NoteSigner[]): string {
  checkText(text)
  if (signers.length === 0) throw malformed('a note needs at least one signature')
  if (signers.length > MAX_SIGNATURES) throw malformed(`more than ${MAX_SIGNATURES} signatures`)
  return `${text}\n${signatureLines(text, signers)}`
}

/** The signature lines alone. */
export function signatureLines(text: string, signers: readonly NoteSigner[]): string {
  const bytes = Buffer.from(text)
  return signers
    .map((signer) => {
      const { name, id } = signer.key
      return `— ${name} ${toBase64(Buffer.concat([Buffer.from(id, 'hex'), signer.sign(bytes)]))}\n`
    })
    .join('')
}

/**
 * Takes a note apart, and believes nothing of it.
 *
 * @throws AuditError `AUDIT_NOTE_MALFORMED` for whatever is not a signed note
 */
export function parseNote(note: string | Uint8Array): ParsedNote {
  const all = decoded(note)
  const end = all.lastIndexOf('\n\n')
  if (end < 0) throw malformed('there is no blank line between text and signatures')
  const text = all.slice(0, end + 1)
  checkText(text)
  const lines = all.slice(end + 2)
  if (!lines.endsWith('\n')) throw malformed('the last signature line does not end')
  return { text, signatures: parseSignatures(lines) }
}

/** @param lines each ended by a newline */
function parseSignatures(lines: string): NoteSignature[] {
  const split = lines.split('\n')
  if (split.pop() !== '') throw malformed('the last signature line does not end')
  if (split.length > MAX_SIGNATURES) throw malformed(`more than ${MAX_SIGNATURES} signatures`)
  return split.map(parseSignature)
}

function parseSignature(line: string): NoteSignature {
  const [dash, name = '', encoded = '', ...rest] = line.split(' ')
  const bytes = fromBase64(encoded)
  const isLine =
    dash === '—' && isKeyName(name) && rest.length === 0 && bytes !== undefined && bytes.length > KEY_ID_BYTES
  if (!isLine) throw malformed('a line after the text is not a signature')
  return {
    name,
    keyId: bytes.subarray(0, KEY_ID_BYTES).toString('hex'),
    signature: bytes.subarray(KEY_ID_BYTES),
  }
}

/**
 * Opens a note: its text may be believed as far as the keys are.
 *
 * Signatures of unknown keys are ignored, also when they share name or id with a known one. One bad signature of a known
 * key refuses the note, whoever else has signed it.
 *
 * @param verifierKeys `<name>+<key id>+<base64>`
 * @throws AuditError `AUDIT_NOTE_MALFORMED` for what is not a signed note, or not a verifier key; `AUDIT_NOTE_REFUTED`
 *   when a signature of a known key is wrong, or no known key has signed it
 */
export function openNote(
  note: string | Uint8Array,
  verifierKeys: readonly (string | VerifierKey)[],
): OpenedNote {
  const known = knownKeys(verifierKeys)
  const { text, signatures } = parseNote(note)
  return { text, ...verifySignatures(text, signatures, known) }
}

/**
 * Whether lines are in form what this key signs a note with. Nothing is verified: any 64 bytes will do.
 *
 * @param signatures lines, each ended by a newline
 */
export function looksSigned(signatures: string, { name, id }: VerifierKey): boolean {
  let known: NoteSignature[]
  try {
    known = parseSignatures(signatures).filter((line) => line.name === name && line.keyId === id)
  } catch (error) {
    if (error instanceof AuditError) return false
    throw error
  }
  return known.length > 0 && known.every(({ signature }) => signature.length === SIGNATURE_BYTES)
}

function verifySignatures(
  text: string,
  signatures: readonly NoteSignature[],
  known: ReadonlyMap<string, VerifierKey>,
): Omit<OpenedNote, 'text'> {
  const bytes = Buffer.from(text)
  const verified = new Set<string>()
  const unverified: string[] = []
  for (const { name, keyId, signature } of signatures) {
    const key = known.get(`${name}+${keyId}`)
    if (key === undefined) unverified.push(name)
    else if (key.verifies(bytes, signature)) verified.add(name)
    else throw refuted(`the signature of ${name} is not of this text`)
  }
  if (verified.size === 0) throw refuted('no known key has signed it')
  return { verified: [...verified], unverified }
}

function knownKeys(verifierKeys: readonly (string | VerifierKey)[]): ReadonlyMap<string, VerifierKey> {
  const known = new Map<string, VerifierKey>()
  for (const given of verifierKeys) {
    const key = typeof given === 'string' ? VerifierKey.parse(given) : given
    const place = `${key.name}+${key.id}`
    const other = known.get(place)
    if (other !== undefined && other.toString() !== key.toString()) {
      throw malformed(`two different keys are called ${place}`)
    }
    known.set(place, key)
  }
  return known
}

function decoded(note: string | Uint8Array): string {
  if (typeof note === 'string') {
    // Before it is measured: a lone surrogate has no bytes.
    if (!note.isWellFormed()) throw malformed('it is not valid Unicode')
    if (Buffer.byteLength(note) > MAX_NOTE_BYTES) throw tooLong()
    return note
  }
  if (note.length > MAX_NOTE_BYTES) throw tooLong()
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(note)
  } catch {
    throw malformed('it is not valid UTF-8')
  }
}

function checkText(text: string): void {
  if (!text.endsWith('\n')) throw malformed('its text must end in a newline')
  if (!text.isWellFormed()) throw malformed('it is not valid Unicode')
  if (CONTROL_BUT_NEWLINE.test(text)) throw malformed('its text has control characters')
  if (Buffer.byteLength(text) > MAX_NOTE_BYTES) throw tooLong()
}

function tooLong(): AuditError {
  return malformed(`it is longer than ${MAX_NOTE_BYTES} bytes`)
}

function malformed(message: string): AuditError {
  return new AuditError('AUDIT_NOTE_MALFORMED', `not a signed note: ${message}`)
}

function refuted(message: string): AuditError {
  return new AuditError('AUDIT_NOTE_REFUTED', message)
}

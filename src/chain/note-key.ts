import { JSON } from '../host/globals.js'
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from '../host/crypto.js'
import type { KeyObject } from 'node:crypto'
import { AuditError } from '../errors.js'
import { fromBase64, toBase64 } from './hash.js'
import { sha256 } from '../event/sha256.js'
import { isWeakKey } from './weak-key.js'

/** Type of an Ed25519 signature, and what stands before its public key. */
const ED25519 = 0x01
const PUBLIC_KEY_BYTES = 32
/** Length of an Ed25519 signature, in bytes. */
export const SIGNATURE_BYTES = 64
/** What X.509 puts before the 32 bytes of an Ed25519 public key: RFC 8410. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** Spaces of Unicode's `White_Space`, the plus sign, and (since no line of a note may have them) ASCII control characters. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const NOT_IN_NAMES = /[\s\u0000-\u001f\u0085+]/u

/** Whether a key of a signed note may be called so. */
export function isKeyName(name: string): boolean {
  // U+FEFF is a space to JavaScript only.
  return name !== '' && name.isWellFormed() && !NOT_IN_NAMES.test(name.replaceAll('\uFEFF', ''))
}

/**
 * The public half of a note key: `<name>+<key id, 8 hex digits>+base64(0x01 ‖ 32 bytes)`, where the key id is the
 * beginning of `SHA-256(name ‖ 0x0A ‖ 0x01 ‖ 32 bytes)`. Source: C2SP signed-note.
 */
export class VerifierKey {
  readonly name: string
  /** 8 lower-case hex digits. */
  readonly id: string
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  #key: KeyObject | undefined

  /** @throws AuditError `AUDIT_NOTE_MALFORMED` */
  constructor(name: string, publicKey: Uint8Array) {
    if (!isKeyName(name)) throw malformed(`${JSON.stringify(name)} is not a name for a key`)
    if (publicKey.length !== PUBLIC_KEY_BYTES) throw malformed('an Ed25519 public key has 32 bytes')
    if (isWeakKey(publicKey))
      throw malformed('not an Ed25519 public key that can be trusted: of small order, or not canonical')
    this.name = name
    this.publicKey = publicKey
    this.id = sha256(Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ED25519]), publicKey]))
      .subarray(0, 4)
      .toString('hex')
  }

  /** @throws AuditError `AUDIT_NOTE_MALFORMED` for what is not a verifier key, or one whose id is not its own */
  static parse(text: string): VerifierKey {
    // The base64 may have plus signs of its own.
    const [, name = '', id = '', encoded = ''] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/su.exec(text) ?? []
    const bytes = fromBase64(encoded)
    if (bytes?.[0] !== ED25519) {
      throw malformed(`not the verifier key of an Ed25519 note key: ${JSON.stringify(text)}`)
    }
    const key = new VerifierKey(name, bytes.subarray(1))
    if (key.id !== id)
      throw malformed(`the verifier key of ${name} gives id ${id}, but its key has id ${key.id}`)
    return key
  }

  verifies(text: Uint8Array, signature: Uint8Array): boolean {
    this.#key ??= createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, this.publicKey]),
      format: 'der',
      type: 'spki',
    })
    return signature.length === SIGNATURE_BYTES && verify(null, text, this.#key, signature)
  }

  toString(): string {
    return `${this.name}+${this.id}+${toBase64(Buffer.concat([Buffer.from([ED25519]), this.publicKey]))}`
  }
}

/** Signs notes. The private key stays inside: neither a log nor JSON shows it. */
export class NoteSigner {
  readonly key: VerifierKey
  readonly #privateKey: KeyObject

  /**
   * @param name of the key: see {@link isKeyName}
   * @param privateKey Ed25519, as PKCS#8 in PEM, or as a `KeyObject`
   * @throws AuditError `AUDIT_NOTE_MALFORMED`, without any text of the key
   */
  constructor(name: string, privateKey: string | KeyObject) {
    this.#privateKey = typeof privateKey === 'string' ? fromPem(privateKey) : privateKey
    if (this.#privateKey.asymmetricKeyType !== 'ed25519' || this.#privateKey.type !== 'private') {
      throw malformed('the key must be an Ed25519 private key')
    }
    const spki = createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' })
    this.key = new VerifierKey(name, spki.subarray(SPKI_PREFIX.length))
  }

  get name(): string {
    return this.key.name
  }

  /** `<name>+<key id>+<base64>`, for those who are to verify. */
  get verifierKey(): string {
    return this.key.toString()
  }

  /** @returns 64 bytes */
  sign(text: Uint8Array): Buffer {
    return sign(null, text, this.#privateKey)
  }
}

function fromPem(pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    // Without the cause: nobody knows what it quotes.
    throw malformed('the private key is not PKCS#8 in PEM (-----BEGIN PRIVATE KEY-----), or is encrypted')
  }
}

export interface NoteKey {
  readonly signer: NoteSigner
  /** `<name>+<key id>+<base64>`. */
  readonly verifierKey: string
}

/** A new Ed25519 key in memory. @throws AuditError `AUDIT_NOTE_MALFORMED` for a name that a key cannot have */
export function generateNoteKey(name: string): NoteKey {
  const signer = new NoteSigner(name, generateKeyPairSync('ed25519').privateKey)
  return { signer, verifierKey: signer.verifierKey }
}

function malformed(message: string): AuditError {
  return new AuditError('AUDIT_NOTE_MALFORMED', message)
}

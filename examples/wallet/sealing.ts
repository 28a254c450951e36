import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { bytes, object, text } from './json.js'

/**
 * A secret for one recipient: X25519 with a fresh key of the sender, HKDF-SHA-256 over the shared secret
 * (salt = both public keys), AES-256-GCM. All members are base64url. Only the holder of the recipient's
 * private key can open it; those that carry it cannot.
 */
export interface SealedEnvelope {
  readonly alg: typeof ALGORITHM
  readonly epk: string
  readonly nonce: string
  readonly ciphertext: string
  readonly tag: string
}

const ALGORITHM = 'X25519-HKDF-SHA256-A256GCM'

export interface RecipientKeys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export function newRecipient(): RecipientKeys {
  return generateKeyPairSync('x25519')
}

/** The 32 bytes of RFC 7748: at the end of what X.509 has of such a key (RFC 8410). */
export function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32)
}

/** Throws `TypeError` for what is not a usable X25519 public key, the low-order points included. */
export function publicKeyFrom(encoded: unknown, at: string): KeyObject {
  const x = bytes(encoded, 32, at).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
  try {
    diffieHellman({ privateKey: newRecipient().privateKey, publicKey: key })
  } catch {
    throw new TypeError(`${at}: not a usable X25519 public key`)
  }
  return key
}

export function seal(secret: Buffer, recipient: KeyObject, credential: string): SealedEnvelope {
  const ephemeral = newRecipient()
  const epk = rawPublicKey(ephemeral.publicKey)
  const key = agree(ephemeral.privateKey, recipient, epk, rawPublicKey(recipient), credential)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(info(credential))
  const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()])
  return {
    alg: ALGORITHM,
    epk: epk.toString('base64url'),
    nonce: nonce.toString('base64url'),
    ciphertext: ciphertext.toString('base64url'),
    tag: cipher.getAuthTag().toString('base64url'),
  }
}

/** Throws when the envelope is for another key or another credential, or was changed. */
export function unseal(envelope: SealedEnvelope, recipient: RecipientKeys, credential: string): Buffer {
  const epk = publicKeyFrom(envelope.epk, 'epk')
  const ours = rawPublicKey(recipient.publicKey)
  const key = agree(recipient.privateKey, epk, rawPublicKey(epk), ours, credential)
  const nonce = Buffer.from(envelope.nonce, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAAD(info(credential))
  decipher.setAuthTag(Buffer.from(envelope.tag, 'base64url'))
  return Buffer.concat([decipher.update(Buffer.from(envelope.ciphertext, 'base64url')), decipher.final()])
}

/** Reads an envelope that came from elsewhere; throws `TypeError` when it is not one. */
export function envelopeFrom(value: unknown, at: string): SealedEnvelope {
  const { alg, epk, nonce, ciphertext, tag } = object(value, at)
  if (alg !== ALGORITHM) throw new TypeError(`${at}.alg: ${ALGORITHM} is needed`)
  return {
    alg,
    epk: bytes(epk, 32, `${at}.epk`).toString('base64url'),
    nonce: bytes(nonce, 12, `${at}.nonce`).toString('base64url'),
    ciphertext: text(ciphertext, `${at}.ciphertext`),
    tag: bytes(tag, 16, `${at}.tag`).toString('base64url'),
  }
}

function agree(
  ours: KeyObject,
  theirs: KeyObject,
  epk: Buffer,
  recipient: Buffer,
  credential: string,
): Buffer {
  const shared = diffieHellman({ privateKey: ours, publicKey: theirs })
  return Buffer.from(hkdfSync('sha256', shared, Buffer.concat([epk, recipient]), info(credential), 32))
}

function info(credential: string): Buffer {
  return Buffer.from(JSON.stringify(['wallet/sealed/v1', credential]))
}

import crypto from 'node:crypto'
import { unsupportedNode } from './requirements.js'

// Of the room's invariant: an import by name of a part of Node follows what somebody puts in its place later, as tools that
// instrument or mock do (`syncBuiltinESMExports`). Hashes, signatures and random bytes are by the functions that were there
// when this library was loaded.

/** Taken once. */
export const {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  pbkdf2Sync,
  randomBytes,
  randomInt,
  randomUUID,
  scryptSync,
  sign,
  timingSafeEqual,
  verify,
} = crypto

/** Older Nodes have none, and the first use would say no more than that: it is where the library alone is imported. */
export const hash: typeof crypto.hash =
  crypto.hash ??
  (() => {
    throw new Error(`AUDIT_MISSING_PACKAGE: ${unsupportedNode()}`)
  })

// SHA-256 of "abc" is of FIPS 180-4; key, text and signature are the second test of RFC 8032, 7.1.
const SHA256_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
const SEED = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'
const TEXT = Buffer.from([0x72])
const SIGNATURE =
  '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
/** What PKCS#8 puts before the 32 bytes of an Ed25519 private key: RFC 8410. */
const PKCS8_PREFIX = '302e020100300506032b657004220420'

/**
 * Which part of the cryptography does not compute what it says: something was put in its place before this library was
 * loaded. Rows and blocks would be stored, and no verifier would take them.
 */
export function cryptoProblem(): string | undefined {
  try {
    if (hash('sha256', 'abc', 'hex') !== SHA256_OF_ABC) return 'SHA-256'
    const key = createPrivateKey({
      key: Buffer.from(PKCS8_PREFIX + SEED, 'hex'),
      format: 'der',
      type: 'pkcs8',
    })
    const signature = Buffer.from(SIGNATURE, 'hex')
    if (!sign(null, TEXT, key).equals(signature)) return 'signing'
    const publicKey = createPublicKey(key)
    const isRight = verify(null, TEXT, publicKey, signature)
    if (!isRight || verify(null, Buffer.from('x'), publicKey, signature)) return 'verifying signatures'
    return randomBytes(32).equals(randomBytes(32)) ? 'random bytes' : undefined
  } catch {
    return 'a function of node:crypto that throws'
  }
}

import crypto from 'node:crypto'

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
  hash,
  randomBytes,
  randomInt,
  randomUUID,
  scryptSync,
  sign,
  timingSafeEqual,
  verify,
} = crypto

/** 2^255 − 19: what y is below, in a public key that is written as it must be. */
const PRIME = 2n ** 255n - 19n
const SIGN = 2n ** 255n

/** y of the eight points whose order divides 8: of each a point and its negative, but for the first two, where x is 0. */
const SMALL_ORDER: ReadonlySet<bigint> = new Set([
  1n,
  PRIME - 1n,
  0n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
])

/**
 * Whether an Ed25519 public key is of small order, or not written as it must be. Under a key of small order one signature
 * fits many texts; and a key that can be written in two ways makes two chains of one. RFC 8032 leaves both open, and
 * implementations differ. Source: Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs", table 1.
 *
 * @param publicKey 32 bytes
 */
export function isWeakKey(publicKey: Uint8Array): boolean {
  const bytes = BigInt(`0x${Buffer.from(publicKey.toReversed()).toString('hex')}`)
  const y = bytes % SIGN
  return y >= PRIME || SMALL_ORDER.has(y)
}

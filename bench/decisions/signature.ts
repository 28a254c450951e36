import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'

interface SignatureCost {
  /** µs for a new key, for one signature, for SHA-256 and for HMAC of the same text. */
  readonly key: number
  readonly signature: number
  readonly hash: number
  readonly hmac: number
}

/** What a block pays for its signature, and what it would pay for less. @param calls of each */
export function signatureCost(calls: number): SignatureCost {
  const text = Buffer.from('x'.repeat(400))
  const secret = Buffer.alloc(32, 1)
  const { privateKey } = generateKeyPairSync('ed25519')
  const each = (call: () => unknown): number => {
    for (let i = 0; i < calls / 10; i++) call()
    const began = performance.now()
    for (let i = 0; i < calls; i++) call()
    return ((performance.now() - began) * 1000) / calls
  }
  return {
    key: each(() => generateKeyPairSync('ed25519')),
    signature: each(() => sign(null, text, privateKey)),
    hash: each(() => createHash('sha256').update(text).digest()),
    hmac: each(() => createHmac('sha256', secret).update(text).digest()),
  }
}

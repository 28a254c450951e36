import { describe, expect, it } from 'vitest'
import {
  envelopeFrom,
  newRecipient,
  publicKeyFrom,
  rawPublicKey,
  seal,
  unseal,
} from '../../../examples/wallet/sealing.js'

const SECRET = Buffer.from('canary-sealed-51aa')

describe('sealing', () => {
  it('opens with the recipient’s private key alone', () => {
    const [worker, other] = [newRecipient(), newRecipient()]
    const envelope = seal(SECRET, worker.publicKey, 'db')
    expect(unseal(envelope, worker, 'db')).toEqual(SECRET)
    expect(() => unseal(envelope, other, 'db')).toThrow()
  })

  it('does not open for another credential, or when any member was changed', () => {
    const worker = newRecipient()
    const envelope = seal(SECRET, worker.publicKey, 'db')
    expect(() => unseal(envelope, worker, 'db2')).toThrow()
    for (const member of ['epk', 'nonce', 'ciphertext', 'tag'] as const) {
      const changed = Buffer.from(envelope[member], 'base64url')
      changed[3] = (changed[3] ?? 0) ^ 1
      expect(() => unseal({ ...envelope, [member]: changed.toString('base64url') }, worker, 'db')).toThrow()
    }
  })

  it('shows nothing of the secret, and differs every time', () => {
    const worker = newRecipient()
    const [a, b] = [seal(SECRET, worker.publicKey, 'db'), seal(SECRET, worker.publicKey, 'db')]
    expect(JSON.stringify(a)).not.toContain(SECRET.toString('base64url'))
    expect(a.epk).not.toBe(b.epk)
    expect(a.ciphertext).not.toBe(b.ciphertext)
  })

  it('survives JSON', () => {
    const worker = newRecipient()
    const envelope = envelopeFrom(
      JSON.parse(JSON.stringify(seal(SECRET, worker.publicKey, 'db'))),
      'envelope',
    )
    expect(unseal(envelope, worker, 'db')).toEqual(SECRET)
    expect(() => envelopeFrom({ ...envelope, alg: 'none' }, 'envelope')).toThrow('envelope.alg')
    expect(() => envelopeFrom({ ...envelope, tag: 'AAAA' }, 'envelope')).toThrow('envelope.tag')
    expect(() => envelopeFrom(undefined, 'envelope')).toThrow('an object')
  })

  it('takes the 32 raw bytes of a public key, and refuses everything else', () => {
    const worker = newRecipient()
    const raw = rawPublicKey(worker.publicKey)
    expect(raw).toHaveLength(32)
    expect(publicKeyFrom(raw.toString('base64url'), 'key').equals(worker.publicKey)).toBe(true)
    const lowOrder = Buffer.alloc(32).toString('base64url')
    for (const bad of [
      undefined,
      '',
      'AAAA',
      17,
      {},
      'no base64url at all, but with a length of its own',
      lowOrder,
    ]) {
      expect(() => publicKeyFrom(bad, 'key')).toThrow(TypeError)
    }
  })
})

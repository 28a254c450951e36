import { sha256 } from '../../event/sha256.js'
import { isKeyName, type NoteSigner } from '../../chain/note-key.js'

const VERIFIER = '/verifier'

/** The name of a log's verifier key, which signs the states of verifications. No service has it, and no auditor needs it. */
export function verifierKeyName(log: string): string {
  return `${log}${VERIFIER}`
}

/** Whether it is the name of some log's verifier key. */
export function isVerifierKeyName(name: string): boolean {
  return name.endsWith(VERIFIER) && isKeyName(name.slice(0, -VERIFIER.length))
}

/**
 * A secret for the sums of a state: who can write to the trail must not know it, or he could choose rows that add up to the same.
 * Signatures of Ed25519 are deterministic (RFC 8032), so that the private key alone gives it again.
 */
export function sumKeyOf(signer: NoteSigner, trail: string): Uint8Array {
  return sha256(signer.sign(Buffer.from(`otel-audit/verify-state/sums/v1\n${trail}\n`)))
}

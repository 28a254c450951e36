import { generateKeyPairSync } from '../host/crypto.js'
import { chainIdOf, chainKeyName } from './block.js'
import { isKeyName, NoteSigner } from './note-key.js'

/** At the end of what X.509 has of an Ed25519 key: RFC 8410. */
const PUBLIC_KEY_BYTES = 32

/** A chain that does not exist yet: its id, and the key that its genesis block will name. */
export interface NewChain {
  readonly id: string
  readonly signer: NoteSigner
}

/** Makes a key in memory, and nowhere else. The chain's id comes from it. */
export function newChain(log: string): NewChain {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  // Not as a JWK: Node 20 keeps the key locked while it makes its texts, and a collection of garbage then, which finds the
  // job that made the key, waits for that lock for ever.
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const id = chainIdOf(spki.subarray(-PUBLIC_KEY_BYTES))
  return { id, signer: new NoteSigner(chainKeyName(log, id), privateKey) }
}

/** The key that signs a chain from its next rotation on. */
export function nextKey(log: string, chain: string): NoteSigner {
  return new NoteSigner(chainKeyName(log, chain), generateKeyPairSync('ed25519').privateKey)
}

/**
 * The name of a log when none is given: `otel-audit/<database>`. What the name of a key cannot have is percent-encoded.
 */
export function logNameFor(database: string): string {
  const encoded = Array.from(database)
    .map((c) => (isKeyName(c) && c !== '%' ? c : encodeURIComponent(c.toWellFormed())))
    .join('')
  return `otel-audit/${encoded}`
}

const ENROLMENT = '/enrolment'
const EVIDENCE = '/evidence'

/** The name of a log's enrolment key, which says that chains are the operator's. */
export function enrolmentKeyName(log: string): string {
  return `${log}${ENROLMENT}`
}

/** Whether it is the name of some log's enrolment key. */
export function isEnrolmentKeyName(name: string): boolean {
  return name.endsWith(ENROLMENT) && isKeyName(name.slice(0, -ENROLMENT.length))
}

/** The name of a log's evidence key, which says that a bundle of evidence is the operator's. No service has it. */
export function evidenceKeyName(log: string): string {
  return `${log}${EVIDENCE}`
}

/** Whether it is the name of some log's evidence key. */
export function isEvidenceKeyName(name: string): boolean {
  return name.endsWith(EVIDENCE) && isKeyName(name.slice(0, -EVIDENCE.length))
}

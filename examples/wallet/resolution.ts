import type { KeyObject } from 'node:crypto'
import type { Amend } from './access.js'
import type { KeychainEntry } from './config.js'
import { denied } from './denial.js'
import { type EncryptedRecord, KekDestroyedError } from './kek.js'
import type { ExecutionIds } from './parameters.js'
import { mayBeReleasedIn } from './residency.js'
import { newRecipient, type RecipientKeys, type SealedEnvelope, seal, unseal } from './sealing.js'
import type { Credential } from './store.js'
import type { Wallet } from './wallet.js'

/** Where the value of a credential is to come from. Looking it up touches no secret. */
export type Source =
  | { readonly kind: 'record'; readonly record: EncryptedRecord }
  | { readonly kind: 'peer'; readonly credential: Credential }
  | { readonly kind: 'keychain'; readonly entry: KeychainEntry }
  | { readonly kind: 'nowhere' }

export function locate(wallet: Wallet, id: string): Source {
  const credential = wallet.store.find(id)
  if (credential?.record !== undefined) return { kind: 'record', record: credential.record }
  if (credential !== undefined) return { kind: 'peer', credential }
  const entry = wallet.keychain.find(id)
  return entry === undefined ? { kind: 'nowhere' } : { kind: 'keychain', entry }
}

export interface Request extends ExecutionIds {
  readonly id: string
  readonly workerId?: string | undefined
}

/** The secret in clear text, for a caller in this region. Throws a `Denial`. */
export async function clearText(
  wallet: Wallet,
  request: Request,
  source: Source,
  amend: Amend,
): Promise<Buffer> {
  switch (source.kind) {
    case 'record':
      return decrypt(wallet, request.id, source.record, amend)
    case 'peer': {
      const own = newRecipient()
      const envelope = await broker(wallet, request, source.credential, own.publicKey, amend)
      return opened(envelope, own, request.id)
    }
    case 'keychain':
      amend({ attributes: { provider: new URL(source.entry.provider).host } })
      return await wallet.keychain.resolve(source.entry)
    default:
      throw denied.notFound()
  }
}

/** The secret sealed for `recipient`; one that comes from a peer is never in clear text here. Throws a `Denial`. */
export async function sealed(
  wallet: Wallet,
  request: Request,
  source: Source,
  recipient: KeyObject,
  amend: Amend,
): Promise<SealedEnvelope> {
  if (source.kind === 'peer') return await broker(wallet, request, source.credential, recipient, amend)
  const secret = await clearText(wallet, request, source, amend)
  const envelope = seal(secret, recipient, request.id)
  secret.fill(0)
  return envelope
}

export function decrypt(wallet: Wallet, id: string, record: EncryptedRecord, amend: Amend): Buffer {
  amend({ kekVersion: record.kekVersion })
  try {
    return wallet.keyring.decrypt(id, record)
  } catch (error) {
    if (error instanceof KekDestroyedError) throw denied.kekDestroyed()
    throw error
  }
}

function opened(envelope: SealedEnvelope, own: RecipientKeys, id: string): Buffer {
  try {
    return unseal(envelope, own, id)
  } catch {
    throw denied.unreachable('the envelope from the home region does not open')
  }
}

async function broker(
  wallet: Wallet,
  { id, workerId, ...ids }: Request,
  { home, residency }: Credential,
  recipient: KeyObject,
  amend: Amend,
): Promise<SealedEnvelope> {
  if (!mayBeReleasedIn(wallet.region, residency)) throw denied.residency('the home region was not asked')
  amend({ brokerRegion: home })
  const answer = await wallet.broker.resolve({ ...ids, credential: id, home, recipient, workerId })
  amend({ kekVersion: answer.kekVersion })
  return answer.envelope
}

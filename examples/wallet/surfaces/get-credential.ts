import { Operation } from 'otel-audit'
import { access, circumstances, credentialOf } from '../access.js'
import { denied } from '../denial.js'
import type { Answer, Call } from '../http.js'
import { flag } from '../parameters.js'
import { clearText, locate } from '../resolution.js'
import type { Wallet } from '../wallet.js'

/**
 * `GET /api/credentials/{id}`: what is known about a credential and, with `include_data=true`, its value.
 *
 * Without `include_data` no secret is touched, decrypted or fetched: that is not an access to a secret, and it
 * makes no audit event.
 */
export function getCredential(wallet: Wallet) {
  return async (call: Call): Promise<Answer> => {
    const id = credentialOf(call)
    const withData = flag(call, 'include_data')
    const caller = wallet.callers.holderOf(call)
    const known = circumstances(call, wallet.region, caller)
    if (!withData) {
      if (caller === undefined) throw denied.unauthenticated()
      return { status: 200, body: metadata(wallet, id) }
    }
    const source = locate(wallet, id)
    const fetched = caller !== undefined && source.kind === 'keychain'
    const operation = fetched ? Operation.ResolveKeychain : Operation.GetCredential
    const secret = await access(wallet.audit, { ...known, credential: id, operation }, async (amend) => {
      if (caller === undefined) throw denied.unauthenticated()
      return await clearText(wallet, { id, ...known }, source, amend)
    })
    return { status: 200, body: { id, data: secret.toString('utf8') } }
  }
}

function metadata(wallet: Wallet, id: string) {
  const credential = wallet.store.find(id)
  if (credential !== undefined) {
    const { home, residency, record } = credential
    return { id, home, residency, kek_version: record?.kekVersion }
  }
  if (wallet.keychain.find(id) === undefined) throw denied.notFound()
  return { id, home: wallet.region, keychain: true }
}

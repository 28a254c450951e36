import { Operation } from 'otel-audit'
import { access, circumstances, credentialOf } from '../access.js'
import { denied, HttpError } from '../denial.js'
import type { Answer, Call } from '../http.js'
import { parameter } from '../parameters.js'
import { locate, sealed } from '../resolution.js'
import type { Wallet } from '../wallet.js'

/** `GET /api/credentials/{id}/sealed?worker_id=`: the value, sealed for the public key of a registered worker. */
export function getSealed(wallet: Wallet) {
  return async (call: Call): Promise<Answer> => {
    const id = credentialOf(call)
    const workerId = parameter(call, 'worker_id')
    if (!workerId) throw new HttpError(400, 'worker_id is missing.')
    const caller = wallet.callers.holderOf(call)
    const known = { ...circumstances(call, wallet.region, caller), workerId }
    const recipient = wallet.workers.get(workerId)
    const source = locate(wallet, id)
    const fetched = caller !== undefined && recipient !== undefined && source.kind === 'keychain'
    const operation = fetched ? Operation.ResolveKeychain : Operation.GetSealed
    const envelope = await access(wallet.audit, { ...known, credential: id, operation }, async (amend) => {
      if (caller === undefined) throw denied.unauthenticated()
      if (recipient === undefined) {
        const registered = wallet.workers.has(workerId)
        throw denied.noPublicKey(registered ? 'the worker has no key yet' : 'the worker is not registered')
      }
      return await sealed(wallet, { id, ...known }, source, recipient, amend)
    })
    return { status: 200, body: { id, worker_id: workerId, envelope } }
  }
}

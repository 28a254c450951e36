import { Operation, Outcome } from 'otel-audit'
import { circumstances } from '../access.js'
import { denied } from '../denial.js'
import type { Answer, Call } from '../http.js'
import type { Wallet } from '../wallet.js'

const RotateKek = Operation.define('rotate_kek')

/**
 * `POST /api/internal/kek/rotate`: a new version of the key-encryption key, and every record moved to it.
 *
 * An operation of the service's own, beyond the four. It releases nothing, and it is what one does when a key
 * may be known to others: it must work while the audit trail is away, so it is recorded asynchronously even
 * in strict mode.
 */
export function rotateKek(wallet: Wallet) {
  return (call: Call): Answer => {
    const region = wallet.regions.holderOf(call)
    if (region === undefined) throw denied.unauthenticated()
    const known = circumstances(call, wallet.region, { id: region, type: 'service' })
    const kekVersion = wallet.keyring.rotate()
    const rewrapped = wallet.store.rewrap(wallet.keyring)
    wallet.audit.recordAsync({
      ...known,
      credential: `kek/${wallet.region}`,
      operation: RotateKek,
      outcome: Outcome.Ok,
      kekVersion,
      attributes: { rewrapped },
    })
    return { status: 200, body: { kek_version: kekVersion, rewrapped } }
  }
}

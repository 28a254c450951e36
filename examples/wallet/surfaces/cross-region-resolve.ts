import type { KeyObject } from 'node:crypto'
import { Operation } from 'otel-audit'
import { access, circumstances } from '../access.js'
import { denied, HttpError } from '../denial.js'
import type { Answer, Call } from '../http.js'
import { object, optionalText, text } from '../json.js'
import { type ExecutionIds, id64 } from '../parameters.js'
import { decrypt } from '../resolution.js'
import { mayBeReleasedIn } from '../residency.js'
import { publicKeyFrom, seal } from '../sealing.js'
import type { Wallet } from '../wallet.js'

/**
 * `POST /api/internal/cross-region/resolve`: serves a credential that lives here to a peer region, sealed for
 * the key that the peer names. The asking region is identified by its token, not by what it sends; the residency
 * policy of this side is the one that counts.
 */
export function crossRegionResolve(wallet: Wallet) {
  return async (call: Call): Promise<Answer> => {
    const asked = question(await call.json())
    const { id, recipient, ...ids } = asked
    const region = wallet.regions.holderOf(call)
    const fields = {
      ...circumstances(
        call,
        wallet.region,
        region === undefined ? undefined : { id: region, type: 'service' },
      ),
      ...ids,
      credential: id,
      operation: Operation.CrossRegionBrokerServe,
      brokerRegion: wallet.region,
    }
    let kekVersion: string | undefined
    const envelope = await access(wallet.audit, fields, async (amend) => {
      if (region === undefined) throw denied.unauthenticated()
      amend({ attributes: { requesting_region: region } })
      const credential = wallet.store.find(id)
      if (credential === undefined) throw denied.notFound()
      const { record, residency } = credential
      if (record === undefined) throw denied.wrongRegion(409, `its home region is ${credential.home}`)
      if (!mayBeReleasedIn(region, residency)) throw denied.residency('refused by the home region')
      kekVersion = record.kekVersion
      const secret = decrypt(wallet, id, record, amend)
      const envelope = seal(secret, recipient, id)
      secret.fill(0)
      return envelope
    })
    return { status: 200, body: { envelope, kek_version: kekVersion } }
  }
}

interface Question extends ExecutionIds {
  readonly id: string
  readonly recipient: KeyObject
  readonly workerId: string | undefined
}

function question(json: unknown): Question {
  try {
    const body = object(json, 'body')
    const id = (name: string) => {
      const given = optionalText(body[name], name)
      return given === undefined ? undefined : id64(given, name)
    }
    return {
      id: text(body.credential, 'credential'),
      recipient: publicKeyFrom(body.public_key, 'public_key'),
      workerId: optionalText(body.worker_id, 'worker_id'),
      executionId: id('execution_id'),
      parentExecutionId: id('parent_execution_id'),
    }
  } catch (error) {
    throw error instanceof TypeError ? new HttpError(400, error.message) : error
  }
}

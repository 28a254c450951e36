import type { KeyObject } from 'node:crypto'
import type { Peer } from './config.js'
import { type Denial, denied } from './denial.js'
import { object, optionalText, text } from './json.js'
import type { ExecutionIds } from './parameters.js'
import { envelopeFrom, rawPublicKey, type SealedEnvelope } from './sealing.js'

export interface BrokerRequest extends ExecutionIds {
  readonly credential: string
  /** The home region of the credential, as far as we know. */
  readonly home: string
  /** The home region seals the secret for this key: a worker's, or one that this region made for this request alone. */
  readonly recipient: KeyObject
  readonly workerId: string | undefined
}

export interface Brokered {
  readonly envelope: SealedEnvelope
  readonly kekVersion: string
}

/** Asks the home region of a credential. The secret crosses regions sealed, never in clear text. */
export class Broker {
  readonly #peers: ReadonlyMap<string, Peer>
  readonly #token: string
  readonly #timeout: number

  constructor(peers: readonly Peer[], token: string, timeout: number) {
    this.#peers = new Map(peers.map((peer) => [peer.region, peer]))
    this.#token = token
    this.#timeout = timeout
  }

  /** Throws a `Denial`: the one the home region stated, or `broker_unreachable`. */
  async resolve(request: BrokerRequest): Promise<Brokered> {
    const peer = this.#peers.get(request.home)
    if (peer === undefined) throw denied.unreachable('no address is configured for the home region')
    const { status, body } = await this.#post(peer, request)
    try {
      const answer = object(body, 'answer')
      if (status !== 200) throw refusal(status, answer.outcome)
      return {
        envelope: envelopeFrom(answer.envelope, 'envelope'),
        kekVersion: text(answer.kek_version, 'kek_version'),
      }
    } catch (error) {
      if (error instanceof TypeError)
        throw denied.unreachable('the home region gave an answer that is not understood')
      throw error
    }
  }

  async #post(peer: Peer, request: BrokerRequest): Promise<{ status: number; body: unknown }> {
    try {
      const response = await fetch(new URL('/api/internal/cross-region/resolve', peer.url), {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          credential: request.credential,
          public_key: rawPublicKey(request.recipient).toString('base64url'),
          worker_id: request.workerId,
          execution_id: request.executionId?.toString(),
          parent_execution_id: request.parentExecutionId?.toString(),
        }),
        redirect: 'error',
        signal: AbortSignal.timeout(this.#timeout),
      })
      return { status: response.status, body: await response.json().catch(() => undefined) }
    } catch (error) {
      const late = error instanceof Error && error.name === 'TimeoutError'
      throw denied.unreachable(
        late ? 'the home region did not answer in time' : 'no connection to the home region',
      )
    }
  }
}

/** What the home region decided stays its decision; what it could not decide does not count as an answer. */
function refusal(status: number, outcome: unknown): Denial {
  switch (optionalText(outcome, 'outcome')) {
    case 'residency_violation':
      return denied.residency('refused by the home region')
    case 'credential_not_found':
      return denied.notFound('unknown in its home region')
    case 'wrong_region':
      return denied.wrongRegion(502, 'the catalogue is stale: the credential has moved')
    case 'kek_destroyed':
      return denied.kekDestroyed()
    default:
      return denied.unreachable(`the home region answered ${status}`)
  }
}

import { envelopeFrom, newRecipient, type RecipientKeys, rawPublicKey, unseal } from '../sealing.js'
import type { Branch } from './branches.js'
import type { Fixture } from './fixture.js'

export interface Reply {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  /** The secret, when the answer held one: as it is, or opened with the private key of the recipient. */
  readonly secret: string | undefined
}

export interface Access extends Pick<Branch, 'surface' | 'credential' | 'worker' | 'sender'> {
  readonly executionId: bigint
  readonly parentExecutionId?: bigint
}

/**
 * Takes the part of callers, workers and a peer region. It sends no trace context: each request begins a trace
 * of its own in the service.
 */
export class WalletClient {
  readonly #fixture: Fixture
  #sent = 0

  constructor(fixture: Fixture) {
    this.#fixture = fixture
  }

  /** How many requests were sent. */
  get sent(): number {
    return this.#sent
  }

  async send(url: string, access: Access): Promise<Reply> {
    const own = newRecipient()
    this.#sent++
    const response = await fetch(...this.#request(url, access, own))
    const body = (await response.json()) as Record<string, unknown>
    const secret = response.status === 200 ? this.#secret(access, body, own) : undefined
    return { status: response.status, body, secret }
  }

  #request(url: string, access: Access, own: RecipientKeys): [URL, RequestInit] {
    const headers: Record<string, string> = {}
    const { callerToken, peerToken } = this.#fixture
    if (access.sender !== 'anonymous') {
      headers.authorization = `Bearer ${access.sender === 'caller' ? callerToken : peerToken}`
    }
    const ids = {
      execution_id: access.executionId.toString(),
      parent_execution_id: access.parentExecutionId?.toString(),
    }
    if (access.surface === 'cross_region_broker_serve') {
      const publicKey = rawPublicKey(own.publicKey).toString('base64url')
      const body = JSON.stringify({ credential: access.credential, public_key: publicKey, ...ids })
      headers['content-type'] = 'application/json'
      return [new URL('/api/internal/cross-region/resolve', url), { method: 'POST', headers, body }]
    }
    const sealed = access.surface === 'get_sealed'
    const target = new URL(
      `/api/credentials/${encodeURIComponent(access.credential)}${sealed ? '/sealed' : ''}`,
      url,
    )
    const query = sealed ? { worker_id: access.worker } : { include_data: 'true' }
    for (const [name, value] of Object.entries({ ...query, ...ids })) {
      if (value !== undefined) target.searchParams.set(name, value)
    }
    return [target, { headers }]
  }

  #secret(access: Access, body: Readonly<Record<string, unknown>>, own: RecipientKeys): string {
    if (access.surface === 'get_credential') return String(body.data)
    const keys = access.surface === 'get_sealed' ? this.#fixture.worker : own
    return unseal(envelopeFrom(body.envelope, 'envelope'), keys, access.credential).toString('utf8')
  }
}

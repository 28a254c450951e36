import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { visible } from '../host/visible.js'
import type { Authenticator } from '../server/authentication.js'
import { Problem } from '../server/problem.js'
import type { ServicePolicy } from './service-policy.js'
import { ANONYMOUS, LONGEST_SENDER, type Sender } from './sender.js'

/** Who sent a request. `bad`: it has a credential, and that does not hold. `unknown`: that cannot be said now. */
export type Identified =
  | { readonly is: 'sender'; readonly sender: Sender }
  | { readonly is: 'nobody' }
  | { readonly is: 'bad' | 'unknown'; readonly why: string }

export interface SenderOptions {
  /** By `Authorization: Bearer`: tokens with names, OpenID Connect. */
  readonly authenticator?: Authenticator | undefined
  /** Whether client certificates are asked for. */
  readonly hasClientCa: boolean
  /** Which services a sender may speak for. Default: all. */
  readonly policy?: ServicePolicy | undefined
}

/**
 * Says who sent a request: the name in its client certificate, or whose token it has. Where neither is configured everybody is
 * {@link ANONYMOUS}; such a gateway listens on loopback only.
 */
export class Senders {
  readonly #options: SenderOptions
  readonly #ofSocket = new WeakMap<Socket, Identified>()
  /** Of each connection, the authorities that its certificate was checked against. */
  readonly #checkedBy = new WeakMap<Socket, object>()
  #authorities: object = {}

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** Whether senders have to prove who they are. */
  get isClosed(): boolean {
    return this.#options.hasClientCa || this.#options.authenticator !== undefined
  }

  /** To be told of each connection with TLS. */
  connected(socket: Socket): void {
    this.#checkedBy.set(socket, this.#authorities)
  }

  /** Other authorities hold from now on: who has a connection has to prove itself again, on another one. */
  authoritiesChanged(): void {
    this.#authorities = {}
  }

  /** Never rejects. */
  async identify(request: IncomingMessage): Promise<Identified> {
    if (!this.isClosed) return this.#named(ANONYMOUS)
    const { authorization } = request.headers
    if (authorization !== undefined && this.#options.authenticator !== undefined) {
      return this.#byToken(this.#options.authenticator, authorization)
    }
    return this.#options.hasClientCa ? this.#byCertificate(request.socket as TLSSocket) : { is: 'nobody' }
  }

  async #byToken(authenticator: Authenticator, authorization: string): Promise<Identified> {
    try {
      // What the authenticators of `serve` look at, and no more.
      const asked = new Request('http://gateway/', { headers: { authorization } })
      const { actorId } = await authenticator.authenticate(asked)
      return this.#named(actorId)
    } catch (error) {
      if (!(error instanceof Problem)) return { is: 'unknown', why: 'the credential cannot be checked' }
      const { status, detail } = error.document
      return { is: status === 503 ? 'unknown' : 'bad', why: detail }
    }
  }

  #byCertificate(socket: TLSSocket): Identified {
    if (this.#checkedBy.get(socket) !== this.#authorities) {
      return { is: 'unknown', why: 'the authorities of client certificates have changed since it connected' }
    }
    const known = this.#ofSocket.get(socket)
    if (known !== undefined) return known
    const identified = this.#ofCertificate(socket)
    this.#ofSocket.set(socket, identified)
    return identified
  }

  #ofCertificate(socket: TLSSocket): Identified {
    const certificate = socket.getPeerCertificate()
    if (Object.keys(certificate).length === 0) return { is: 'nobody' }
    if (!socket.authorized) {
      return { is: 'bad', why: `the client certificate does not hold: ${String(socket.authorizationError)}` }
    }
    const name = nameIn(certificate.subjectaltname)
    return name === undefined
      ? { is: 'bad', why: 'the client certificate has no subject alternative name (URI, DNS or email)' }
      : this.#named(name)
  }

  #named(given: string): Identified {
    const name = visible(given).slice(0, LONGEST_SENDER)
    const { policy } = this.#options
    const mayNameService = (service: string | undefined): boolean => policy?.allows(name, service) ?? true
    return { is: 'sender', sender: { name, mayNameService } }
  }
}

const KINDS = ['URI:', 'DNS:', 'email:']

/** The first of the kind that says most: a URI is an identity (SPIFFE), a name a machine. As `node:tls` writes it. */
function nameIn(alternatives: string | undefined): string | undefined {
  const parts = alternatives?.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g)?.map((part) => part.trim()) ?? []
  for (const kind of KINDS) {
    const found = parts.find((part) => part.startsWith(kind))
    // A name with a comma in it stands in quotation marks: it is taken as it stands.
    if (found !== undefined && found.length > kind.length) return found.slice(kind.length)
  }
  return undefined
}

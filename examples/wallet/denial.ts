import { Outcome } from 'otel-audit'

/** An answer other than success. The message goes to the caller: it never holds a secret or a stack. */
export class HttpError extends Error {
  override readonly name: string = 'HttpError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * A credential that was asked for and not released. `auditOutcome` is what the trail keeps (the helper reads
 * it from the error), `note` explains it to an operator. Both come from this file alone, so that nothing a
 * caller, a peer or a provider sent can reach the notes.
 */
export class Denial extends HttpError {
  override readonly name = 'Denial'
  readonly auditOutcome: Outcome
  readonly note: string | undefined

  constructor(status: number, auditOutcome: Outcome, message: string, note?: string) {
    super(status, message)
    this.auditOutcome = auditOutcome
    this.note = note
  }
}

const Unauthenticated = Outcome.other('unauthenticated')
const KekDestroyed = Outcome.other('kek_destroyed')

export const denied = {
  unauthenticated: () => new Denial(401, Unauthenticated, 'A valid bearer token is needed.'),
  notFound: (note?: string) =>
    new Denial(404, Outcome.CredentialNotFound, 'There is no such credential.', note),
  residency: (note: string) =>
    new Denial(403, Outcome.ResidencyViolation, 'The credential may not be released in this region.', note),
  unreachable: (note: string) =>
    new Denial(502, Outcome.BrokerUnreachable, 'The home region of the credential gave no answer.', note),
  /** Not 421: the standard of `fetch` has it send a request again on that, and one attempt would be two. */
  wrongRegion: (status: 409 | 502, note: string) =>
    new Denial(status, Outcome.WrongRegion, 'The region that was asked does not hold the credential.', note),
  noPublicKey: (note: string) =>
    new Denial(409, Outcome.NoPubkey, 'The worker has no public key to seal the credential for.', note),
  providerFailed: (note: string) =>
    new Denial(
      502,
      Outcome.ProviderFetchError,
      'The provider of the credential gave no usable answer.',
      note,
    ),
  template: (note: string) =>
    new Denial(500, Outcome.TemplateError, 'The keychain entry of the credential cannot be resolved.', note),
  kekDestroyed: () =>
    new Denial(
      410,
      KekDestroyed,
      'The credential cannot be decrypted any more.',
      'its KEK version is destroyed',
    ),
}

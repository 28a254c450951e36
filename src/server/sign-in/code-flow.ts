import type { Configuration, DiscoveryRequestOptions } from 'openid-client'
import { AuditError } from '../../errors.js'
import { isLoopback } from '../loopback.js'

export interface CodeFlowOptions {
  readonly issuer: string
  readonly clientId: string
  /** Undefined: a public client, which has PKCE only. */
  readonly clientSecret: string | undefined
  /** Where the issuer sends the browser back to. */
  readonly redirectUrl: string
  readonly scope: string
}

/** What is remembered of a sign-in that has begun. */
export interface BegunSignIn {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

/** What the issuer says of a person, in an ID token that was verified. */
export type Claims = Readonly<Record<string, unknown>> & { readonly sub: string }

/** Why there are no claims: the issuer could not be asked, the person was turned away there, or what came proves nothing. */
export class SignInFailure extends Error {
  override readonly name = 'SignInFailure'
  readonly reason: 'issuer away' | 'refused' | 'not proven'

  constructor(reason: SignInFailure['reason'], cause: unknown) {
    super(reason, { cause })
    this.reason = reason
  }
}

/** Codes of openid-client for what is not an answer of an issuer: nothing in time, an error page. What `fetch` could not send or get is a TypeError. */
const NO_ANSWER: ReadonlySet<string> = new Set([
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
])
const TIMEOUT_S = 5
/** How far the issuer's clock may be off, in seconds. */
const CLOCK_TOLERANCE_S = 30

/**
 * The authorization code flow of OpenID Connect with PKCE, state and nonce, by openid-client. The browser is sent to the
 * issuer and comes back with a code; the code is exchanged by this process, and the ID token's signature is verified
 * although it came by TLS: what it says is written into the trail.
 */
export class CodeFlow {
  readonly #options: CodeFlowOptions
  readonly #library: typeof import('openid-client')
  #configuration: Promise<Configuration> | undefined

  private constructor(options: CodeFlowOptions, library: typeof import('openid-client')) {
    this.#options = options
    this.#library = library
  }

  /** @throws AuditError `AUDIT_MISSING_PACKAGE` without openid-client */
  static async of(options: CodeFlowOptions): Promise<CodeFlow> {
    const library = await import('openid-client').catch((cause: unknown) => {
      throw new AuditError(
        'AUDIT_MISSING_PACKAGE',
        'signing in by OpenID Connect needs the package openid-client: npm install openid-client',
        { cause },
      )
    })
    return new CodeFlow(options, library)
  }

  /** @throws SignInFailure when the issuer does not answer */
  async begin(): Promise<{ readonly url: URL; readonly begun: BegunSignIn }> {
    const library = this.#library
    const configuration = await this.#discovered()
    const [state, nonce, verifier] = [
      library.randomState(),
      library.randomNonce(),
      library.randomPKCECodeVerifier(),
    ]
    const url = library.buildAuthorizationUrl(configuration, {
      redirect_uri: this.#options.redirectUrl,
      scope: this.#options.scope,
      code_challenge: await library.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    })
    return { url, begun: { state, nonce, verifier } }
  }

  /**
   * @param search of the request with which the browser came back
   * @throws SignInFailure
   */
  async finish(search: string, { state, nonce, verifier }: BegunSignIn): Promise<Claims> {
    const configuration = await this.#discovered()
    // As it was registered, whatever the proxy in front calls this server.
    const url = new URL(this.#options.redirectUrl)
    url.search = search
    try {
      const tokens = await this.#library.authorizationCodeGrant(configuration, url, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      })
      const claims = tokens.claims()
      if (claims === undefined) throw new Error('there is no ID token')
      return claims
    } catch (error) {
      throw this.#failureOf(error)
    }
  }

  #failureOf(error: unknown): SignInFailure {
    const { AuthorizationResponseError, ResponseBodyError, ClientError } = this.#library
    if (error instanceof AuthorizationResponseError) return new SignInFailure('refused', error)
    // Of the token endpoint: the code was used before, or is not for this client.
    if (error instanceof ResponseBodyError) return new SignInFailure('not proven', error)
    const isAway = error instanceof ClientError ? NO_ANSWER.has(error.code ?? '') : error instanceof TypeError
    return new SignInFailure(isAway ? 'issuer away' : 'not proven', error)
  }

  #discovered(): Promise<Configuration> {
    this.#configuration ??= this.#discover().catch((error: unknown) => {
      this.#configuration = undefined
      throw new SignInFailure('issuer away', error)
    })
    return this.#configuration
  }

  #discover(): Promise<Configuration> {
    const { issuer, clientId, clientSecret } = this.#options
    const library = this.#library
    const server = new URL(issuer)
    const options: DiscoveryRequestOptions = {
      timeout: TIMEOUT_S,
      execute: [
        library.enableNonRepudiationChecks,
        // Only an issuer on this machine may be without TLS.
        ...(isLoopback(server.hostname.replaceAll(/[[\]]/g, '')) ? [library.allowInsecureRequests] : []),
      ],
    }
    return library.discovery(
      server,
      clientId,
      { [library.clockTolerance]: CLOCK_TOLERANCE_S },
      clientSecret === undefined ? library.None() : library.ClientSecretBasic(clientSecret),
      options,
    )
  }
}

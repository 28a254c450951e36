import { AuditError } from '../errors.js'
import { anyOf, type Authenticator, bearerToken, bearerTokenFile, either } from './authentication.js'
import { namedTokens } from './named-tokens.js'
import { oidc } from './oidc.js'
import { oidcSignIn, type SignIn } from './sign-in/sign-in.js'

export interface AuthenticationSettings {
  readonly apiToken?: string | undefined
  readonly apiTokenFile?: string | undefined
  readonly tokensFile?: string | undefined
  readonly oidcIssuer?: string | undefined
  readonly oidcAudience?: string | undefined
  readonly oidcRole: string
  readonly oidcRoleClaim: string
  readonly oidcReaderClaim?: string | undefined
  readonly oidcClientId?: string | undefined
  readonly oidcClientSecretFile?: string | undefined
  readonly oidcRedirectUrl?: string | undefined
  readonly oidcScope?: string | undefined
  readonly oidcSessionMinutes?: number | undefined
}

/**
 * Who may read, as the options say.
 *
 * @returns undefined when nothing is configured
 * @throws AuditError `AUDIT_INVALID_OPTION` for an issuer without an audience, or the other way round; for a token that
 *   no client could send; for a file of tokens that cannot be used
 */
export async function authenticatorOf(settings: AuthenticationSettings): Promise<Authenticator | undefined> {
  const {
    apiToken,
    apiTokenFile,
    tokensFile,
    oidcIssuer: issuer,
    oidcAudience: audience,
    oidcRole: role,
    oidcRoleClaim: roleClaim,
    oidcReaderClaim: readerClaim,
    oidcClientId: clientId,
  } = settings
  const [first, ...others] = [
    ...(tokensFile === undefined ? [] : [await namedTokens(tokensFile)]),
    ...(await sharedToken(apiToken, apiTokenFile)),
  ]
  const token = first === undefined ? undefined : anyOf(first, ...others)
  if (issuer === undefined && audience === undefined) return token
  // Of the issuer come people who sign in, and no tokens.
  if (audience === undefined && clientId !== undefined) return token
  if (issuer === undefined || audience === undefined) {
    const field = issuer === undefined ? 'oidcIssuer' : 'oidcAudience'
    throw new AuditError('AUDIT_INVALID_OPTION', 'oidcIssuer and oidcAudience must be set together', {
      field,
    })
  }
  const tokens = await oidc({ issuer, audience, role, roleClaim, readerClaim })
  return token === undefined ? tokens : either(token, tokens)
}

/**
 * How people sign in, as the options say.
 *
 * @returns undefined when it is not configured
 * @throws AuditError `AUDIT_INVALID_OPTION` for a client without an issuer or a redirect URL, or the other way round
 */
export async function signInOf(settings: AuthenticationSettings): Promise<SignIn | undefined> {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcRedirectUrl: redirectUrl } = settings
  if (clientId === undefined && redirectUrl === undefined) return undefined
  if (issuer === undefined || clientId === undefined || redirectUrl === undefined) {
    const field =
      issuer === undefined ? 'oidcIssuer' : clientId === undefined ? 'oidcClientId' : 'oidcRedirectUrl'
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'oidcIssuer, oidcClientId and oidcRedirectUrl must be set together, for people to sign in',
      { field },
    )
  }
  return oidcSignIn({
    issuer,
    clientId,
    redirectUrl,
    clientSecretFile: settings.oidcClientSecretFile,
    scope: settings.oidcScope,
    role: settings.oidcRole,
    roleClaim: settings.oidcRoleClaim,
    readerClaim: settings.oidcReaderClaim,
    sessionMinutes: settings.oidcSessionMinutes,
  })
}

/** As everywhere: the value itself counts, and else the file. */
async function sharedToken(token: string | undefined, file: string | undefined): Promise<Authenticator[]> {
  if (token !== undefined) return [bearerToken(token)]
  return file === undefined ? [] : [await bearerTokenFile(file)]
}

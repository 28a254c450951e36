import { AuditError } from '../errors.js'
import { anyOf, type Authenticator, bearerToken, bearerTokenFile, either } from './authentication.js'
import { namedTokens } from './named-tokens.js'
import { oidc } from './oidc.js'

export interface AuthenticationSettings {
  readonly apiToken?: string | undefined
  readonly apiTokenFile?: string | undefined
  readonly tokensFile?: string | undefined
  readonly oidcIssuer?: string | undefined
  readonly oidcAudience?: string | undefined
  readonly oidcRole: string
  readonly oidcRoleClaim: string
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
  } = settings
  const [first, ...others] = [
    ...(tokensFile === undefined ? [] : [await namedTokens(tokensFile)]),
    ...(await sharedToken(apiToken, apiTokenFile)),
  ]
  const token = first === undefined ? undefined : anyOf(first, ...others)
  if (issuer === undefined && audience === undefined) return token
  if (issuer === undefined || audience === undefined) {
    const field = issuer === undefined ? 'oidcIssuer' : 'oidcAudience'
    throw new AuditError('AUDIT_INVALID_OPTION', 'oidcIssuer and oidcAudience must be set together', {
      field,
    })
  }
  const tokens = await oidc({ issuer, audience, role, roleClaim })
  return token === undefined ? tokens : either(token, tokens)
}

/** As everywhere: the value itself counts, and else the file. */
async function sharedToken(token: string | undefined, file: string | undefined): Promise<Authenticator[]> {
  if (token !== undefined) return [bearerToken(token)]
  return file === undefined ? [] : [await bearerTokenFile(file)]
}

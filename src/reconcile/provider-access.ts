/** Whose log an access is in. */
export type ProviderLog = 'cloudtrail' | 'vault'

/**
 * What became of it, as the provider's log says.
 *
 * `released`: a value, or the result of using a key, was answered. `refused`: denied, not found, or not valid. `repeated`:
 * throttled, or failed within the provider; a client makes such an attempt again by itself, and has one row for all of them.
 * `public`: it was no secret; a service that goes by the path alone may have a row about it all the same.
 */
export type ProviderResult = 'released' | 'refused' | 'repeated' | 'public'

/** One access to one credential, as the provider's own log has it. Nothing of it is a secret, nor the hash of one. */
export interface ProviderAccess {
  readonly log: ProviderLog
  /** µs since the Unix epoch. */
  readonly time: number
  readonly requestId: string
  /** As it was asked for: a name or ARN, a path without its namespace. A list that nobody names ends in `/*`. */
  readonly credential: string
  /** Of Vault; empty: the root namespace. */
  readonly namespace: string
  /** The call: `GetSecretValue`, `read secret/data/orders-db`. */
  readonly api: string
  /** Who asked, as the provider knows them: an ARN, a display name. */
  readonly identity: string
  readonly result: ProviderResult
}

/** What one entry of a log is: accesses, or an entry that was made for another reason. */
export interface LogEntry {
  /** µs since the Unix epoch. */
  readonly time: number
  readonly accesses: readonly ProviderAccess[]
  /** An access that the provider's own services made for themselves. */
  readonly isByService?: boolean
}

/** How exactly each log has its times, in µs: what it says was at most so much earlier than what happened. */
export const RESOLUTION: Readonly<Record<ProviderLog, number>> = Object.freeze({
  cloudtrail: 1_000_000,
  vault: 1,
})

/**
 * What a credential is called, whichever of its names was asked for: an ARN of Secrets Manager (whose last seven
 * characters are random), of a parameter or a key, its name, or a path of Vault.
 */
export function plainName(credential: string): string {
  const [, secret] = /^arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:(.+)$/.exec(credential) ?? []
  if (secret !== undefined) return secret.replace(/-[A-Za-z0-9]{6}$/, '')
  const [, parameter] = /^arn:[^:]*:ssm:[^:]*:[^:]*:parameter\/(.+)$/.exec(credential) ?? []
  const name = parameter ?? /^arn:[^:]*:kms:[^:]*:[^:]*:(?:key\/)?(.+)$/.exec(credential)?.[1] ?? credential
  return name.replace(/^\/+/, '')
}

import { Outcome } from '../../event/vocabulary.js'
import { at, textAt } from './named.js'

/**
 * By the names of the errors, which stay when a bundle renames the classes. The first that matches holds.
 *
 * Source: the error shapes of the service models of Secrets Manager, SSM, KMS and STS, and the common errors of AWS.
 */
const BY_NAME: readonly (readonly [RegExp, Outcome])[] = [
  [
    /^(AccessDenied|UnrecognizedClient|ExpiredToken|IncompleteSignature|InvalidSignature|InvalidClientTokenId|MissingAuthentication|NotAuthorized|OptInRequired|RegionDisabled|SignatureDoesNotMatch|IDPRejectedClaim|InvalidIdentityToken)/,
    Outcome.AccessDenied,
  ],
  // No credentials to sign with: never sent.
  [/^(CredentialsProvider|TokenProvider|Provider)Error$/, Outcome.AccessDenied],
  [
    /^(ResourceNotFound|ParameterNotFound|ParameterVersionNotFound|NotFound|XksKeyNotFound)/,
    Outcome.CredentialNotFound,
  ],
  [
    /^(Throttl|TooManyRequests|LimitExceeded|RequestLimitExceeded|BandwidthLimit|SlowDown)/,
    Outcome.Throttled,
  ],
  [
    /^(DecryptionFailure|InvalidCiphertext|IncorrectKey|KMSInvalidState|KMSInvalidMac|Disabled)/,
    Outcome.DecryptionFailure,
  ],
  [/^(InvalidRequestException|PreconditionNotMet)/, Outcome.InvalidState],
  [/^(AbortError|TimeoutError|RequestTimeout)/, Outcome.Aborted],
  [
    /^(InternalService|InternalServer|InternalFailure|KMSInternal|ServiceUnavailable|KeyUnavailable|DependencyTimeout)/,
    Outcome.ProviderFetchError,
  ],
  [
    /^(InvalidParameter|Validation|Invalid|Malformed|ParameterPatternMismatch|UnsupportedOperation|DryRunOperation|PackedPolicyTooLarge)/,
    Outcome.InvalidRequest,
  ],
]

/** How a call ended that failed. */
export function awsOutcomeOf(error: unknown): Outcome {
  const name = textAt(error, 'name') ?? ''
  const named = BY_NAME.find(([pattern]) => pattern.test(name))?.[1]
  if (named !== undefined) return named
  const status = at(error, ['$metadata', 'httpStatusCode'])
  if (typeof status !== 'number') return isNetwork(error) ? Outcome.ProviderUnreachable : Outcome.Other
  return status >= 500 || textAt(error, '$fault') === 'server' ? Outcome.ProviderFetchError : Outcome.Other
}

/** An answer was not there, and Node or the SDK says why by a code. */
const isNetwork = (error: unknown): boolean => textAt(error, 'code') !== undefined

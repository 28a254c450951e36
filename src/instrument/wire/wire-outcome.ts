import { Outcome } from '../../event/vocabulary.js'
import { awsOutcomeOf } from '../clients/aws-errors.js'
import { vaultOutcome } from '../clients/vault.js'
import type { Access } from '../open-access.js'

/**
 * What an answer of 400 and above means.
 *
 * @param errorType as the provider names the error, where it is known
 */
export function refusedOutcome(
  { provider, operation, credential, api }: Access,
  status: number,
  errorType: string | undefined,
): Outcome {
  if (provider === 'aws' && errorType !== undefined) {
    return awsOutcomeOf({ name: errorType, $metadata: { httpStatusCode: status } })
  }
  // AWS says with 400 that something is refused, and by a name what it is.
  if (provider === 'aws' && status === 400) return Outcome.Other
  if (provider === 'vault') return vaultOutcome(status, credential)
  switch (status) {
    case 400:
      return operation === 'use_key' && /decrypt/i.test(api)
        ? Outcome.DecryptionFailure
        : Outcome.InvalidRequest
    case 401:
    case 403:
      return Outcome.AccessDenied
    case 404:
      return Outcome.CredentialNotFound
    case 408:
      return Outcome.ProviderUnreachable
    case 409:
    case 410:
      return Outcome.InvalidState
    case 429:
      return Outcome.Throttled
    default:
      return status >= 500 ? Outcome.ProviderFetchError : Outcome.InvalidRequest
  }
}

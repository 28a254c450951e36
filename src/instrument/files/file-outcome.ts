import { Outcome } from '../../event/vocabulary.js'
import type { AccessRow } from '../open-access.js'

const OUTCOMES: ReadonlyMap<string, Outcome> = new Map([
  ['ENOENT', Outcome.CredentialNotFound],
  ['ENOTDIR', Outcome.CredentialNotFound],
  ['EACCES', Outcome.AccessDenied],
  ['EPERM', Outcome.AccessDenied],
  ['ERR_ACCESS_DENIED', Outcome.AccessDenied],
  ['EISDIR', Outcome.InvalidRequest],
  ['ELOOP', Outcome.InvalidRequest],
  ['EMFILE', Outcome.Throttled],
  ['ENFILE', Outcome.Throttled],
  ['EIO', Outcome.ProviderFetchError],
  ['ESTALE', Outcome.ProviderUnreachable],
  ['ETIMEDOUT', Outcome.ProviderUnreachable],
  ['ABORT_ERR', Outcome.Aborted],
])

/** What the error of a call of `node:fs` means. Its message has the path as it was given. */
export function fileFailure(error: unknown): AccessRow {
  const code: unknown = (error as { readonly code?: unknown } | null | undefined)?.code
  if (typeof code !== 'string') return { outcome: Outcome.Other }
  return { outcome: OUTCOMES.get(code) ?? Outcome.Other, attributes: { 'error.type': code } }
}

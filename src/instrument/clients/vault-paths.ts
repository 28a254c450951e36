import { Operation } from '../../event/vocabulary.js'

/** A request to a Vault or an OpenBao. */
export interface VaultRequest {
  readonly method: string
  /** Behind `/v1/`, decoded; with or without a query. */
  readonly path: string
}

/** What a request reads or uses. */
export interface VaultAccess {
  readonly operation: Operation
  /** The path without `data/` of a KV engine in version 2, and without anything like a token. */
  readonly credential: string
  /** The version that was asked for. */
  readonly version: string | undefined
}

interface Rule {
  readonly methods: readonly string[]
  readonly path: RegExp
  /** Nothing: such a request answers with no secret. */
  readonly operation?: Operation
}

const GET = ['GET']
const WRITE = ['POST', 'PUT']
const ANY = [...GET, ...WRITE]

/** Below a mount whose name says the kind of its engine. */
const named = (kind: string, rest: string): RegExp => new RegExp(`^(?:.*/)?[^/]*${kind}[^/]*/${rest}$`)

/** Below a mount that has the usual name of its engine, and no other. */
const usual = (names: string, rest: string): RegExp => new RegExp(`^(?:${names})/(?:${rest})(?:/.*)?$`)

const PUBLIC_OF_PKI = 'ca|ca_chain|certs?|crl|issuers?|keys?|roles?|config|acme|eab|ocsp'

/**
 * Source: the API of Vault and OpenBao by engine. The first that matches holds. A path does not say which engine is mounted there:
 * where it is not certain, the request counts as one for a secret, since a row too many does no harm.
 */
const RULES: readonly Rule[] = [
  { methods: ANY, path: /^sys\/wrapping\/unwrap$/, operation: Operation.GetCredential },
  { methods: WRITE, path: /^auth\/.+\/login(\/.*)?$/, operation: Operation.IssueCredential },
  { methods: WRITE, path: /^auth\/token\/create(-orphan|\/.+)?$/, operation: Operation.IssueCredential },
  { methods: GET, path: /^identity\/oidc\/token\/.+$/, operation: Operation.IssueCredential },
  { methods: ANY, path: /^(sys|auth|identity)(\/.*)?$/ },
  { methods: GET, path: /^cubbyhole\/.+$/, operation: Operation.GetCredential },
  { methods: GET, path: /^.+\/data\/.+$/, operation: Operation.GetCredential },
  { methods: ANY, path: /^.+\/(creds|sts)\/.+$/, operation: Operation.IssueCredential },
  { methods: WRITE, path: named('pki', '(issue|sign)/.+'), operation: Operation.IssueCredential },
  { methods: WRITE, path: named('ssh', 'sign/.+'), operation: Operation.IssueCredential },
  { methods: WRITE, path: /^.+\/(decrypt|sign|hmac|rewrap)\/.+$/, operation: Operation.UseKey },
  { methods: WRITE, path: /^.+\/datakey\/plaintext\/.+$/, operation: Operation.UseKey },
  { methods: WRITE, path: named('transform', 'decode/.+'), operation: Operation.UseKey },
  // What an engine makes public, and what configures it.
  { methods: GET, path: usual('pki|pki[-_](?:int|intermediate|root)', PUBLIC_OF_PKI) },
  { methods: GET, path: usual('transit', 'keys|wrapping_key|cache-config') },
  { methods: GET, path: usual('aws|azure|gcp|database|ldap|ssh', 'config|roles?|static-roles|public_key') },
  { methods: GET, path: usual('totp', 'keys') },
  { methods: GET, path: /^[^/]+\/(metadata|subkeys)(\/.*)?$/ },
  { methods: GET, path: /^[^/]+\/config$/ },
  { methods: GET, path: /^[^/]+\/.+$/, operation: Operation.GetCredential },
]

/** What a request reads or uses; `undefined` when its answer has no secret. */
export function vaultAccess({ method, path }: VaultRequest): VaultAccess | undefined {
  const [bare = '', query = ''] = path.split('?', 2)
  const asked = new URLSearchParams(query)
  if (asked.has('list') || asked.has('help')) return undefined
  const clean = bare
    .replaceAll(/\/{2,}/g, '/')
    .replace(/^\//, '')
    .replace(/\/$/, '')
  const verb = method.toUpperCase()
  const rule = RULES.find(({ methods, path: pattern }) => methods.includes(verb) && pattern.test(clean))
  if (rule?.operation === undefined) return undefined
  const credential = clean
    .replace(/^([^/]+(?:\/[^/]+)*?)\/data\//, '$1/')
    .split('/')
    .map((segment) => (isLikeToken(segment) ? '[redacted]' : segment))
    .join('/')
  return { operation: rule.operation, credential, version: asked.get('version') ?? undefined }
}

/** Tokens of Vault and JSON web tokens have been seen in paths; a name has not this length. */
const isLikeToken = (segment: string): boolean =>
  /^(hv[sbr]\.|[sbr]\.|eyJ)/.test(segment) || segment.length > 64

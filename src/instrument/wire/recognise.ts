import { Operation } from '../../event/vocabulary.js'
import { vaultAccess } from '../clients/vault-paths.js'
import type { Access } from '../open-access.js'
import type { InstrumentSettings } from '../settings.js'
import { awsRequest } from './aws-request.js'
import { providerAccess } from './providers.js'
import { type Target, targetOf, type WireRequest } from './target.js'

/** A request that is an access to a secret. */
export interface Recognised {
  readonly provider: string
  /** How the coverage and the warnings name it: a pattern, never a path. */
  readonly shown: string
  /** Whether the body says what is asked for. Only then is it looked at. */
  readonly needsBody: boolean
  /** @returns undefined when it turns out to be none */
  access(body?: string | Uint8Array): Access | undefined
}

/** Every path of a provider but those of AWS's own protocols has one of these, or may have it when it is decoded. */
const CANDIDATE =
  /\/v1(?:\.0)?\/|secret|%|\/keys\/|\/serviceaccounts\/|\/systemsmanager\/|\/service\/|\/metadata\/|\/computeMetadata\//i
/** The same without Vault's, which is told by more than its path. */
const OF_PROVIDER =
  /secret|\/v1\/(?:vaults|projects)\/|\/keys\/|\/serviceaccounts\/|\/systemsmanager\/|\/metadata\/|\/computeMetadata\//
const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])

/**
 * Whether a request may be an access at all. Called for every request of the process, so that the rest is not: some 20 ns.
 *
 * @param hasTarget whether it has the header `x-amz-target`
 */
export function mayBeAccess(method: string, path: string, hasTarget: () => boolean): boolean {
  return CANDIDATE.test(path) || (method === 'POST' && hasTarget())
}

/** What a request asks for that may be an access, by its method, target and some of its headers: at most 1 µs for what is none. */
export function recognise(request: WireRequest, settings: InstrumentSettings): Recognised | undefined {
  const { method } = request
  if (!METHODS.has(method)) return undefined
  const target = targetOf(request)
  if (method === 'POST') {
    const found = awsRequest(request, target, settings)
    if (found !== undefined) {
      const { api, isNamedInBody } = found
      return { provider: 'aws', shown: api, needsBody: isNamedInBody, access: (body) => found.access(body) }
    }
  }
  const vault = vaultRequest(request, target, settings)
  if (vault !== undefined) return vault
  const found = OF_PROVIDER.test(target.path) ? providerAccess(request, target, settings) : undefined
  if (found === undefined) return undefined
  const { access, shown } = found
  return { provider: access.provider, shown, needsBody: false, access: () => access }
}

/** By its token, by the header that Vault's own clients send, or by its address. */
function vaultRequest(
  request: WireRequest,
  target: Target,
  settings: InstrumentSettings,
): Recognised | undefined {
  const at = target.path.indexOf('/v1/')
  if (at < 0) return undefined
  const isVault =
    request.header('x-vault-token') !== undefined ||
    request.header('x-vault-request') !== undefined ||
    request.header('x-vault-namespace') !== undefined ||
    settings.hosts.get('vault')?.has(target.host) === true
  if (!isVault) return undefined
  const path = target.path.slice(at + '/v1/'.length)
  const { method } = request
  const found = vaultAccess({ method, path: target.query === '' ? path : `${path}?${target.query}` })
  const access = found ?? (settings.writes ? vaultWrite(method, path) : undefined)
  if (access === undefined) return undefined
  const attributes = {
    version: found?.version,
    namespace: request.header('x-vault-namespace'),
    server_address: target.host,
  }
  const { operation, credential } = access
  return {
    provider: 'vault',
    shown: `${method} ${operation}`,
    needsBody: false,
    access: () => ({ provider: 'vault', api: method, operation, credential, attributes }),
  }
}

function vaultWrite(
  method: string,
  path: string,
): { readonly operation: Operation; readonly credential: string } | undefined {
  if (method === 'GET' || /^(sys|auth|identity)\//.test(path) || !path.includes('/')) return undefined
  const credential = path.replace(/^([^/]+)\/(?:data|delete|undelete|destroy|metadata)\//, '$1/')
  return { operation: Operation.WriteCredential, credential }
}

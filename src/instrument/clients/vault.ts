import { errorText } from '../../host/error-text.js'
import { Outcome } from '../../event/vocabulary.js'
import type { Reading } from '../access.js'
import { type ClientHook, type HookContext, isHooked, markHooked, replaceMethod } from '../client-hook.js'
import type { Access } from '../open-access.js'
import { at, errorName, known, textAt } from './named.js'
import { vaultAccess } from './vault-paths.js'

/** What a call of `client.request` asks for; `undefined` when its answer has no secret. */
function nodeVaultAccess(options: unknown, client: unknown): Access | undefined {
  const api = textAt(options, 'method')?.toUpperCase() ?? 'GET'
  // As the client itself undoes what its templates have escaped.
  const path = textAt(options, 'path')?.replaceAll('&#x2F;', '/') ?? ''
  const found = vaultAccess({ method: api, path: decoded(path) })
  if (found === undefined) return undefined
  const { operation, credential, version } = found
  const attributes = known({
    version,
    namespace: textAt(options, 'headers', 'X-Vault-Namespace') ?? textAt(client, 'namespace'),
    server_address: hostOf(textAt(client, 'endpoint')),
  })
  return { provider: 'vault', api, operation, credential, attributes }
}

const NODE_VAULT: Reading<unknown> = {
  rows: (answer) => [
    {
      outcome: Outcome.Ok,
      attributes: known({
        version: textAt(answer, 'data', 'metadata', 'version'),
        request_id: textAt(answer, 'request_id'),
        lease_id: textAt(answer, 'lease_id'),
      }),
    },
  ],
  failure: (error, { credential }) => ({
    outcome: nodeVaultOutcomeOf(error, credential),
    attributes: known({ 'error.type': textAt(error, 'code') ?? errorName(error) }),
  }),
}

/** How a call ended that failed: by the status of the answer, else by the code of the client below. */
function nodeVaultOutcomeOf(error: unknown, credential: string): Outcome {
  const status = at(error, ['response', 'statusCode'])
  if (typeof status === 'number') return vaultOutcome(status, credential)
  const code = textAt(error, 'code') ?? ''
  if (/^(ECONNABORTED|ERR_CANCELED)$/.test(code)) return Outcome.Aborted
  return /^E[A-Z]/.test(code) ? Outcome.ProviderUnreachable : Outcome.Other
}

/**
 * What a status of Vault means. Source: its HTTP API.
 *
 * @param credential the path: 400 of `decrypt` says that the ciphertext is wrong
 */
export function vaultOutcome(status: number, credential: string): Outcome {
  if (status < 400) return Outcome.Ok
  if (status === 400) {
    return /\/decrypt\//.test(credential) ? Outcome.DecryptionFailure : Outcome.InvalidRequest
  }
  if (status === 401 || status === 403) return Outcome.AccessDenied
  if (status === 404) return Outcome.CredentialNotFound
  if (status === 429) return Outcome.Throttled
  // The request was not forwarded, or came to a standby.
  if (status === 412 || status === 472 || status === 473) return Outcome.ProviderUnreachable
  return status >= 500 ? Outcome.ProviderFetchError : Outcome.Other
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** Host and port; nothing of what else an address may hold, as a password. */
function hostOf(address: string | undefined): string | undefined {
  return address === undefined || !URL.canParse(address) ? undefined : new URL(address).host
}

type Factory = (...args: never[]) => object

/** A factory has the same wrapper however it is loaded: by `require` and by `import` it is the same function. */
const wrappers = new WeakMap<Factory, Factory>()

const MEMBERS = 'factory, client.request'

export const NODE_VAULT_HOOK: ClientHook = {
  name: 'node-vault',
  packages: ['node-vault'],
  supportedVersions: ['*'],
  hook(exports, context) {
    const factory: unknown = typeof exports === 'function' ? exports : at(exports, ['default'])
    if (typeof factory !== 'function') {
      context.copy.notHooked('its export is not a function')
      return undefined
    }
    return { exports: wrapped(factory as Factory, context), members: MEMBERS }
  },
  probe: async (exports) => {
    const answer = { statusCode: 200, body: {}, request: { path: '/v1/secret/data/probe' } }
    const client = (exports as (config: object) => { read(path: string): Promise<unknown> })({
      'request-promise': { defaults: () => () => Promise.resolve(answer) },
      endpoint: 'http://127.0.0.1',
    })
    return client.read('secret/data/probe')
  },
  hookInstance(client, context) {
    const isVault = ['request', 'read', 'unwrap'].every((name) => typeof at(client, [name]) === 'function')
    if (!isVault || textAt(client, 'endpoint') === undefined) return false
    hookClient(client, context)
    return true
  },
}

function wrapped(factory: Factory, context: HookContext): Factory {
  const done = wrappers.get(factory)
  if (done !== undefined) return done
  const wrapper = new Proxy(factory, {
    apply(target, self, args: never[]) {
      const client = Reflect.apply(target, self, args)
      hookClient(client, context)
      return client
    },
  })
  wrappers.set(factory, wrapper)
  wrappers.set(wrapper, wrapper)
  return wrapper
}

/** All methods of a client send by its `request`. */
function hookClient(client: object, context: HookContext): void {
  if (isHooked(client)) return
  try {
    replaceMethod(
      client,
      'request',
      (request) =>
        (...args: never[]) =>
          context.audited({
            describe: () => nodeVaultAccess(args[0], client),
            call: () => Promise.resolve(request(...args)),
            ...NODE_VAULT,
          }),
    )
    markHooked(client)
  } catch (error) {
    context.copy.notHooked(`a client has no request to hook: ${errorText(error)}`)
  }
}

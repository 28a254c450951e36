import { Operation, Outcome } from '../../event/vocabulary.js'
import type { Reading } from '../access.js'
import type { ClientHook, HookContext } from '../client-hook.js'
import type { Access } from '../open-access.js'
import { at, errorName, known, textAt } from './named.js'
import { hookMethods, type HookedCall, isHookedAnywhere, methodsOf, prototypeAt } from './methods.js'

/** Methods that use the private part of a key, or decrypt with one. Some run without the network, on a key that was read. */
const CRYPTOGRAPHY_METHODS = ['decrypt', 'unwrapKey', 'sign', 'signData'] as const

/** What `SecretClient.getSecret` asks for. */
function azureSecretAccess(client: unknown, name: unknown, options: unknown): Access {
  const vault = (textAt(client, 'vaultUrl') ?? 'unknown').replace(/\/+$/, '')
  return {
    provider: 'azure',
    api: 'getSecret',
    operation: Operation.GetCredential,
    credential: `${vault}/secrets/${textAt([name], '0') ?? 'unknown'}`,
    attributes: known({ version: textAt(options, 'version') }),
  }
}

/** What a method of `CryptographyClient` uses. @param first its first argument: the algorithm, or an object with it */
function azureKeyAccess(api: string, client: unknown, first: unknown): Access {
  const id = textAt(client, 'keyID') ?? 'unknown'
  const [, key = id, version] = /^(.*\/keys\/[^/]+)\/([^/]+)$/.exec(id) ?? []
  const algorithm = textAt([first], '0') ?? textAt(first, 'algorithm')
  return {
    provider: 'azure',
    api,
    operation: Operation.UseKey,
    credential: key,
    attributes: known({ version, algorithm }),
  }
}

/** What `KeyClient.releaseKey` asks for: the key itself, for an attested environment. */
function azureReleaseAccess(client: unknown, name: unknown, options: unknown): Access {
  const access = azureSecretAccess(client, name, options)
  return {
    ...access,
    api: 'releaseKey',
    operation: Operation.UseKey,
    credential: access.credential.replace(/\/secrets\/([^/]*)$/, '/keys/$1'),
  }
}

const AZURE: Reading<unknown> = {
  rows: (answer) => [
    {
      outcome: Outcome.Ok,
      attributes: known({
        version: textAt(answer, 'properties', 'version') ?? versionOf(textAt(answer, 'keyID')),
      }),
    },
  ],
  failure: (error, { api }) => ({
    outcome: azureOutcomeOf(error, api),
    attributes: known({
      request_id: requestIdOf(error),
      'error.type': textAt(error, 'code') ?? errorName(error),
    }),
  }),
}

/** How a call ended that failed. @param api the method, as `unwrapKey` */
export function azureOutcomeOf(error: unknown, api: string): Outcome {
  const name = textAt(error, 'name') ?? ''
  if (name === 'AbortError') return Outcome.Aborted
  const status = at(error, ['statusCode'])
  if (typeof status === 'number') return byStatus(status, error, api)
  // No identity to ask with: never sent.
  if (/^(CredentialUnavailable|Authentication|AggregateAuthentication)/.test(name))
    return Outcome.AccessDenied
  return textAt(error, 'code') === undefined ? Outcome.Other : Outcome.ProviderUnreachable
}

function byStatus(status: number, error: unknown, api: string): Outcome {
  if (status === 400)
    return /^(decrypt|unwrapKey)$/.test(api) ? Outcome.DecryptionFailure : Outcome.InvalidRequest
  if (status === 403 && isDisabled(error)) return Outcome.InvalidState
  if (status === 401 || status === 403) return Outcome.AccessDenied
  if (status === 404) return Outcome.CredentialNotFound
  if (status === 429) return Outcome.Throttled
  return status >= 500 ? Outcome.ProviderFetchError : Outcome.Other
}

/** 403 is also what Key Vault answers for a secret or key that is disabled, not yet valid, or expired. */
const isDisabled = (error: unknown): boolean =>
  /^(SecretDisabled|KeyDisabled|SecretNotYetValid|SecretExpired|KeyNotYetValid|KeyExpired)$/.test(
    textAt(error, 'details', 'error', 'innerError', 'code') ??
      textAt(error, 'details', 'error', 'innererror', 'code') ??
      '',
  )

const versionOf = (id: string | undefined): string | undefined =>
  id === undefined ? undefined : /\/keys\/[^/]+\/([^/]+)$/.exec(id)?.[1]

/** @param from an error, or an answer as the pipeline of the SDK has it: of its headers this one, of its body nothing */
function requestIdOf(from: unknown): string | undefined {
  const headers = at(from, ['headers']) ?? at(from, ['response', 'headers'])
  const get = at(headers, ['get'])
  if (typeof get !== 'function') return undefined
  return textAt([(get as (this: unknown, name: string) => unknown).call(headers, 'x-ms-request-id')], '0')
}

type Describe = (client: unknown, args: readonly unknown[]) => Access

/** By class, the methods that answer with a secret or use a key. */
const CLASSES: Readonly<Record<string, Readonly<Record<string, Describe>>>> = {
  SecretClient: { getSecret: (client, [name, options]) => azureSecretAccess(client, name, options) },
  KeyClient: { releaseKey: (client, [name, , options]) => azureReleaseAccess(client, name, options) },
  CryptographyClient: Object.fromEntries(
    CRYPTOGRAPHY_METHODS.map((api): [string, Describe] => [
      api,
      (client, [first]) => azureKeyAccess(api, client, first),
    ]),
  ),
}

/** Prototypes, since the exports themselves cannot be replaced: they have getters, and are not configurable. */
const hookOf = (name: string, packageName: string, classNames: readonly string[]): ClientHook => ({
  name,
  packages: [packageName],
  supportedVersions: ['*'],
  hook(exports, context) {
    const members = classNames.flatMap((className) => {
      const prototype = prototypeAt(exports, className)
      return prototype === undefined ? [] : hookClass(prototype, className, context)
    })
    if (members.length > 0) return { members: members.join(', ') }
    context.copy.notHooked(`there is no ${classNames.join(', ')}`)
    return undefined
  },
  probe: (exports) => probe(exports, classNames),
  hookInstance(client, context) {
    const className = classNames.find((known) => isOf(client, known))
    if (className === undefined) return false
    if (!isHookedAnywhere(client)) hookClass(client, className, context)
    return true
  },
})

function isOf(client: object, className: string): boolean {
  const names = Object.keys(CLASSES[className] ?? {})
  return 'vaultUrl' in client && methodsOf(client, names).length === names.length
}

function hookClass(target: object, className: string, context: HookContext): readonly string[] {
  const methods = CLASSES[className] ?? {}
  const hooked = hookMethods(target, Object.keys(methods), (api) =>
    (api === 'getSecret' ? auditedSecret : audited)(methods[api] as Describe, context),
  )
  return hooked.map((api) => `${className}.prototype.${api}`)
}

const audited =
  (describe: Describe, context: HookContext): HookedCall =>
  (call, self, args) =>
    context.audited({
      describe: () => describe(self, args),
      call: () => Promise.resolve(call(args)),
      ...AZURE,
      signal: signalOf(args),
    })

/** The request id of an answer is told to `onResponse` alone, an option of every call. */
const auditedSecret =
  (describe: Describe, context: HookContext): HookedCall =>
  (call, self, args) => {
    const [name, options, ...rest] = args
    let request_id: string | undefined
    const onResponse = (...told: unknown[]): void => {
      request_id = requestIdOf(told[0])
      const own = at(options, ['onResponse'])
      if (typeof own === 'function') Reflect.apply(own, undefined, told)
    }
    const listening = [name, { ...(options as object | undefined), onResponse }, ...rest]
    return context.audited({
      describe: () => describe(self, args),
      call: () => Promise.resolve(call(listening)),
      rows: (answer, access) =>
        AZURE.rows(answer, access).map((row) => ({
          ...row,
          attributes: known({ ...row.attributes, request_id }),
        })),
      failure: AZURE.failure,
      signal: signalOf(args),
    })
  }

/** The options are the last argument. */
function signalOf(args: readonly unknown[]): AbortSignal | undefined {
  const signal = at(args.at(-1), ['abortSignal'])
  return signal instanceof AbortSignal ? signal : undefined
}

/** A client whose transport refuses: that its method leads to the hook is what is to be seen. */
async function probe(exports: unknown, [className = '']: readonly string[]): Promise<void> {
  const Client = at(exports, [className]) as new (...given: readonly unknown[]) => Record<string, unknown>
  const [method = ''] = Object.keys(CLASSES[className] ?? {})
  const token = { token: 'probe', expiresOnTimestamp: Number.MAX_SAFE_INTEGER }
  const client = new Client(
    'https://probe.vault.azure.net',
    { getToken: () => Promise.resolve(token) },
    {
      httpClient: { sendRequest: () => Promise.reject(new Error('probe')) },
      retryOptions: { maxRetries: 0 },
    },
  )
  await (client[method] as (name: string, more: unknown) => Promise<unknown>)('probe', undefined)
}

export const AZURE_HOOKS: readonly ClientHook[] = [
  hookOf('azure-secrets', '@azure/keyvault-secrets', ['SecretClient']),
  hookOf('azure-keys', '@azure/keyvault-keys', ['KeyClient', 'CryptographyClient']),
]

import { Operation, Outcome } from '../../event/vocabulary.js'
import { queueMicrotask } from '../../host/globals.js'
import type { Reading } from '../access.js'
import type { ClientHook, HookContext } from '../client-hook.js'
import type { Access } from '../open-access.js'
import { at, known, textAt } from './named.js'
import { hookMethods, type HookedCall, isHookedAnywhere, methodsOf, prototypeAt } from './methods.js'

/** Status codes of gRPC by what they mean here. Source: google/rpc/code.proto. */
const BY_CODE: ReadonlyMap<number, Outcome> = new Map([
  [1, Outcome.Aborted],
  [2, Outcome.ProviderFetchError],
  [3, Outcome.InvalidRequest],
  [4, Outcome.Aborted],
  [5, Outcome.CredentialNotFound],
  [7, Outcome.AccessDenied],
  [8, Outcome.Throttled],
  [9, Outcome.InvalidState],
  [13, Outcome.ProviderFetchError],
  [14, Outcome.ProviderUnreachable],
  [16, Outcome.AccessDenied],
])

const DECRYPTS = /decrypt/i

/** How a call ended that failed. @param api the method, as `asymmetricDecrypt` */
export function gcpOutcomeOf(error: unknown, api: string): Outcome {
  const code = at(error, ['code'])
  if (code === 3 && DECRYPTS.test(api)) return Outcome.DecryptionFailure
  if (typeof code === 'number') return BY_CODE.get(code) ?? Outcome.Other
  return typeof code === 'string' && /^E[A-Z]/.test(code) ? Outcome.ProviderUnreachable : Outcome.Other
}

/** The methods of a client of Google Cloud that read a secret or use a key. */
const GCP_METHODS: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  SecretManagerServiceClient: { accessSecretVersion: Operation.GetCredential },
  KeyManagementServiceClient: {
    decrypt: Operation.UseKey,
    rawDecrypt: Operation.UseKey,
    asymmetricDecrypt: Operation.UseKey,
    asymmetricSign: Operation.UseKey,
    macSign: Operation.UseKey,
  },
}

/** What a call asks for: the resource name of its request. */
function gcpAccess(api: string, operation: Operation, request: unknown): Access {
  return { provider: 'gcp', api, operation, credential: textAt(request, 'name') ?? 'unknown' }
}

/** The answer is the first of a list, as the clients resolve with. */
const GCP: Reading<unknown> = {
  rows(answer) {
    const name = textAt(answer, '0', 'name')
    return [{ outcome: Outcome.Ok, attributes: known({ version: versionOf(name) }) }]
  },
  failure: (error, { api }) => ({
    outcome: gcpOutcomeOf(error, api),
    attributes: known({ 'error.type': textAt(error, 'code') }),
  }),
}

const versionOf = (name: string | undefined): string | undefined =>
  name === undefined ? undefined : /\/(?:versions|cryptoKeyVersions)\/([^/]+)$/.exec(name)?.[1]

type Callback = (error: unknown, ...answer: readonly unknown[]) => void

/** The versions of the API that a package has a client of; last the one that it exports itself. */
const PLACES = [['v1'], ['v1beta1'], ['v1beta2'], []] as const

const hookOf = (name: string, packageName: string, className: string): ClientHook => {
  const operations = GCP_METHODS[className] ?? {}
  const names = Object.keys(operations)
  const hooked = (context: HookContext) => (api: string) =>
    audited(api, operations[api] as Operation, context)
  return {
    name,
    packages: [packageName],
    supportedVersions: ['*'],
    hook(exports, context) {
      const prototypes = PLACES.flatMap((place) => prototypeAt(exports, ...place, className) ?? [])
      const found = new Set(prototypes.flatMap((one) => hookMethods(one, names, hooked(context))))
      if (found.size > 0) return { members: `${className}.prototype.${[...found].join(', ')}` }
      context.copy.notHooked(`there is no ${className} with ${names.join(', ')}`)
      return undefined
    },
    // Without a connection: that the method of the class leads to the hook is what is to be seen.
    async probe(exports) {
      const prototype = prototypeAt(exports, className) ?? {}
      const call = at(prototype, [names[0] ?? '']) as (this: object, request: object) => Promise<unknown>
      // Its `initialize` would look for credentials of the machine.
      const unconnected = Object.create(prototype, {
        initialize: { value: () => Promise.resolve() },
      }) as object
      await call.call(unconnected, { name: 'probe' })
    },
    hookInstance(client, context) {
      if (methodsOf(client, names).length < names.length || !('innerApiCalls' in client)) return false
      if (!isHookedAnywhere(client)) hookMethods(client, names, hooked(context))
      return true
    },
  }
}

/** By promise and by callback; a callback gets what the promise would have resolved with. */
const audited =
  (api: string, operation: Operation, context: HookContext): HookedCall =>
  (call, _self, [request, given, last]) => {
    const [options, callback] = typeof given === 'function' ? [undefined, given] : [given, last]
    let inner: unknown
    const answered = context.audited({
      describe: () => gcpAccess(api, operation, request),
      call: () => Promise.resolve((inner = call([request, options]))),
      ...GCP,
    })
    if (typeof callback !== 'function') return cancellable(answered, inner)
    void tell(callback as Callback, answered)
    return undefined
  }

/** Outside of the promise: what the callback throws is uncaught, as it is without the hook. */
async function tell(callback: Callback, answered: Promise<unknown>): Promise<void> {
  let told: readonly [unknown, ...unknown[]]
  try {
    told = [null, ...((await answered) as readonly unknown[])]
  } catch (error) {
    told = [error]
  }
  queueMicrotask(() => callback(...told))
}

/** Promises of some versions can be cancelled. */
function cancellable(answered: Promise<unknown>, inner: unknown): Promise<unknown> {
  const cancel = at(inner, ['cancel'])
  if (typeof cancel !== 'function') return answered
  return Object.assign(answered, { cancel: () => Reflect.apply(cancel, inner, []) as unknown })
}

export const GCP_HOOKS: readonly ClientHook[] = [
  hookOf('gcp-secret-manager', '@google-cloud/secret-manager', 'SecretManagerServiceClient'),
  hookOf('gcp-kms', '@google-cloud/kms', 'KeyManagementServiceClient'),
]

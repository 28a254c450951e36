import { Operation, Outcome } from '../../event/vocabulary.js'
import type { Reading } from '../access.js'
import type { ClientHook, HookContext } from '../client-hook.js'
import type { Access, AccessRow } from '../open-access.js'
import { at, errorName, keysAt, known, textAt, textsAt } from './named.js'
import { hookMethods, isHookedAnywhere, prototypeAt, prototypeOf } from './methods.js'

/** What a method of the SDK asks for, from its arguments. */
type OnePasswordDescribe = (args: readonly unknown[]) => readonly string[]

const UNKNOWN = 'unknown'
const textOf = (value: unknown): string => textAt([value], '0') ?? UNKNOWN
const item = ([vault, id]: readonly unknown[]): string => `op://${textOf(vault)}/${textOf(id)}`

/** The methods that answer with a secret, by the member of a client they are on. */
const ONEPASSWORD_METHODS: Readonly<Record<string, Readonly<Record<string, OnePasswordDescribe>>>> = {
  secrets: {
    resolve: ([reference]) => [textOf(reference)],
    resolveAll: ([references]) => textsAt([references], '0'),
  },
  items: {
    get: (args) => [item(args)],
    getAll: ([vault, ids]) => textsAt([ids], '0').map((id) => item([vault, id])),
  },
  environments: { getVariables: ([environment]) => [`environment/${textOf(environment)}`] },
}

/** What a call asks for; `undefined` when it asks for nothing. */
function onePasswordAccess(
  api: string,
  describe: OnePasswordDescribe,
  args: readonly unknown[],
): Access | undefined {
  const [credential, ...more] = describe(args)
  if (credential === undefined) return undefined
  const batch = more.length > 0 ? [credential, ...more] : undefined
  return { provider: '1password', api, operation: Operation.GetCredential, credential, batch }
}

const OK: AccessRow = { outcome: Outcome.Ok }

const ONEPASSWORD: Reading<unknown> = {
  rows(answer, access) {
    const names = access.batch ?? [access.credential]
    // Each has an answer of its own under its reference.
    if (access.api === 'resolveAll') return names.map((name) => resolved(name, answer))
    if (access.api === 'getAll') return names.map((name, index) => listed(name, answer, index))
    return [{ ...OK, attributes: known({ version: textAt(answer, 'version') }) }]
  },
  failure: (error) => ({
    outcome: onePasswordOutcomeOf(error),
    attributes: known({ 'error.type': classNameOf(error) }),
  }),
}

function resolved(credential: string, answer: unknown): AccessRow {
  const path = ['individualResponses', credential] as const
  const type = textAt(answer, ...path, 'error', 'type')
  if (type !== undefined) return failed(credential, type)
  return keysAt(answer, ...path, 'content').length > 0
    ? { ...OK, credential }
    : { credential, outcome: Outcome.CredentialNotFound }
}

function listed(credential: string, answer: unknown, index: number): AccessRow {
  const path = ['individualResponses', String(index)] as const
  const type = textAt(answer, ...path, 'error', 'type')
  return type === undefined ? { ...OK, credential } : failed(credential, type)
}

function failed(credential: string, type: string): AccessRow {
  return { credential, outcome: byType(type), attributes: { 'error.type': type.slice(0, 64) } }
}

function byType(type: string): Outcome {
  if (/NotFound$|^noMatching/.test(type)) return Outcome.CredentialNotFound
  return /^(parsing|tooMany|incompatible|unsupported)/.test(type) ? Outcome.InvalidRequest : Outcome.Other
}

/**
 * How a call ended that failed. The SDK has a class for three kinds of error, and a sentence for the others, of which only what
 * says that nothing was found is looked for.
 */
function onePasswordOutcomeOf(error: unknown): Outcome {
  const kind = classNameOf(error) ?? ''
  if (kind === 'RateLimitExceededError') return Outcome.Throttled
  if (/^(AuthExpired|DesktopSessionExpired)Error$/.test(kind)) return Outcome.AccessDenied
  const message = textAt(error, 'message') ?? ''
  if (/no (vault|item|section) matched|(cannot|not) be found|not found/i.test(message))
    return Outcome.CredentialNotFound
  if (/could not be parsed|invalid|more than one/i.test(message)) return Outcome.InvalidRequest
  if (/unauthori[sz]ed|authenticat|forbidden|permission/i.test(message)) return Outcome.AccessDenied
  return /error sending request|network|connect/i.test(message) ? Outcome.ProviderUnreachable : Outcome.Other
}

/** Its classes set no name. */
const classNameOf = (error: unknown): string | undefined =>
  errorName({ name: textAt(error, 'constructor', 'name') }) ?? errorName(error)

/**
 * The only way: the SDK's core is WebAssembly, and what it sends is encrypted. Of the classes only that of `secrets` is
 * exported; those of the other members are found at a client that was never connected.
 */
export const ONEPASSWORD_HOOK: ClientHook = {
  name: '1password',
  packages: ['@1password/sdk'],
  supportedVersions: ['*'],
  hook(exports, context) {
    const client = unconnected(exports)
    const hooked = MEMBERS.flatMap((member) => {
      const exported = member === 'secrets' ? prototypeAt(exports, 'Secrets') : undefined
      const prototype = exported ?? prototypeOf(client, member)
      return prototype === undefined ? [] : hookMember(prototype, member, context)
    })
    if (hooked.includes('secrets.resolve')) return { members: hooked.join(', ') }
    context.copy.notHooked('there is no Secrets.prototype.resolve')
    return undefined
  },
  async probe(exports) {
    const invoke = (): Promise<string> => Promise.resolve('""')
    const Secrets = at(exports, ['Secrets']) as new (
      inner: object,
    ) => { resolve(name: string): Promise<unknown> }
    await new Secrets({ id: 0, invoke, core: { invoke } }).resolve('op://probe/probe/probe')
  },
  hookInstance(client, context) {
    if (typeof at(client, ['secrets', 'resolve']) !== 'function') return false
    for (const member of MEMBERS) {
      const found = at(client, [member])
      if (typeof found !== 'object' || found === null || isHookedAnywhere(found)) continue
      hookMember(found, member, context)
    }
    return true
  },
}

const MEMBERS = Object.keys(ONEPASSWORD_METHODS)

function unconnected(exports: unknown): unknown {
  const Client = at(exports, ['Client'])
  if (typeof Client !== 'function') return undefined
  try {
    return new (Client as new (inner: object) => object)({})
  } catch {
    return undefined
  }
}

function hookMember(target: object, member: string, context: HookContext): readonly string[] {
  const methods = ONEPASSWORD_METHODS[member] ?? {}
  const hooked = hookMethods(
    target,
    Object.keys(methods),
    (api) => (call, _self, args) =>
      context.audited({
        describe: () => onePasswordAccess(api, methods[api] as OnePasswordDescribe, args),
        call: () => Promise.resolve(call(args)),
        ...ONEPASSWORD,
      }),
  )
  return hooked.map((api) => `${member}.${api}`)
}

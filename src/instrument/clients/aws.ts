import { AsyncLocalStorage } from 'node:async_hooks'
import { errorText } from '../../host/error-text.js'
import { type ClientHook, type HookContext, isHooked, markHooked, replaceMethod } from '../client-hook.js'
import type { InstrumentSettings } from '../settings.js'
import { AWS_APIS, type AwsApi, awsAccess, awsReading, isWanted } from './aws-apis.js'
import { isHookedAnywhere, methodsOf, prototypeAt } from './methods.js'
import { at, textAt } from './named.js'

type ClassName = keyof typeof AWS_APIS

/** A client of the AWS SDK, version 3: what is used of its public members. */
interface AwsClient {
  readonly config: { readonly region?: () => Promise<unknown> }
  readonly middlewareStack: { add(middleware: Middleware, options: object): void }
}

type Handler = (args: { readonly input?: unknown }) => Promise<{ readonly output?: unknown }>
type Middleware = (next: Handler, context: { readonly commandName?: unknown }) => Handler

/** The signal of the call that a middleware runs in: it is an option of `send`, and no middleware gets it. */
const signals = new AsyncLocalStorage<AbortSignal | undefined>()

/**
 * Hooks `send` of a prototype, or of one instance. Before its first call an instance gets a middleware, which is where calls
 * by promise, by callback and by paginator come together, once for all attempts. It is the outermost: what the
 * application's own middleware does inside, a cache say, is part of the call.
 */
function hookSend(target: object, className: ClassName, context: HookContext): void {
  const apis: Readonly<Record<string, AwsApi>> = AWS_APIS[className]
  const ready = new WeakSet<object>()
  replaceMethod(
    target,
    'send',
    (original) =>
      function send(this: AwsClient, ...args: never[]): unknown {
        if (!ready.has(this)) {
          ready.add(this)
          addMiddleware(this, apis, context)
        }
        return signals.run(signalOf(args), () => Reflect.apply(original, this, args))
      },
  )
  markHooked(target)
}

function addMiddleware(
  client: AwsClient,
  apis: Readonly<Record<string, AwsApi>>,
  context: HookContext,
): void {
  const options = { step: 'initialize', priority: 'high', name: 'otelAudit', override: true }
  try {
    client.middlewareStack.add(auditing(client, apis, context), options)
  } catch (error) {
    context.copy.notHooked(`a client took no middleware: ${errorText(error)}`)
  }
}

function auditing(
  client: AwsClient,
  apis: Readonly<Record<string, AwsApi>>,
  context: HookContext,
): Middleware {
  const { ssm } = context.settings
  return (next, { commandName }) =>
    async (args) => {
      const name = String(commandName).replace(/Command$/, '')
      const api = Object.hasOwn(apis, name) ? apis[name] : undefined
      if (api === undefined || !isWanted(api, context.settings)) return next(args)
      const signal = signals.getStore()
      const region = await regionOf(client)
      const { rows, failure } = awsReading(api, ssm)
      return context.audited({
        describe: () => awsAccess(name, api, args.input, ssm, region),
        call: () => next(args),
        rows: (result, access) => rows(result.output, access),
        failure,
        signal,
      })
    }
}

/** The client asks for it, too, and fails by itself when there is none. */
async function regionOf({ config }: AwsClient): Promise<string | undefined> {
  try {
    const region = await config.region?.()
    return typeof region === 'string' ? region : undefined
  } catch {
    return undefined
  }
}

function signalOf(args: readonly unknown[]): AbortSignal | undefined {
  const signal = at(args, ['1', 'abortSignal'])
  return signal instanceof AbortSignal ? signal : undefined
}

interface AwsService {
  readonly name: string
  readonly package: string
  readonly className: ClassName
  /** `config.serviceId` of its clients. */
  readonly serviceId: string
  /** Recorded by the option `identity`. */
  readonly isIdentity?: boolean
  /** For the probe. */
  readonly command: string
  readonly input: object
}

const SERVICES: readonly AwsService[] = [
  {
    name: 'aws-secrets-manager',
    package: '@aws-sdk/client-secrets-manager',
    className: 'SecretsManagerClient',
    serviceId: 'Secrets Manager',
    command: 'GetSecretValueCommand',
    input: { SecretId: 'probe' },
  },
  {
    name: 'aws-ssm',
    package: '@aws-sdk/client-ssm',
    className: 'SSMClient',
    serviceId: 'SSM',
    command: 'GetParameterCommand',
    input: { Name: 'probe', WithDecryption: true },
  },
  {
    name: 'aws-kms',
    package: '@aws-sdk/client-kms',
    className: 'KMSClient',
    serviceId: 'KMS',
    command: 'DecryptCommand',
    input: { KeyId: 'probe', CiphertextBlob: new Uint8Array(1) },
  },
  {
    name: 'aws-sts',
    package: '@aws-sdk/client-sts',
    className: 'STSClient',
    serviceId: 'STS',
    isIdentity: true,
    command: 'GetSessionTokenCommand',
    input: {},
  },
]

const isIdentityWanted = ({ isIdentity }: AwsService, { identity }: InstrumentSettings): boolean =>
  identity || isIdentity !== true

const hookOf = (service: AwsService): ClientHook => ({
  name: service.name,
  packages: [service.package],
  supportedVersions: ['*'],
  isWanted: (settings) => isIdentityWanted(service, settings),
  hook(exports, context) {
    // A pipeline that comes later may have other settings.
    if (!isIdentityWanted(service, context.settings)) return undefined
    const members = `${service.className}.prototype.send`
    const prototype = prototypeAt(exports, service.className)
    if (prototype === undefined || methodsOf(prototype, ['send']).length === 0) {
      context.copy.notHooked(`there is no ${members}`)
      return undefined
    }
    if (!isHooked(prototype)) hookSend(prototype, service.className, context)
    return { members }
  },
  probe: (exports) => probe(exports, service),
  hookInstance(client, context) {
    const isClient = methodsOf(client, ['send']).length > 0 && 'middlewareStack' in client
    if (!isClient || textAt(client, 'config', 'serviceId') !== service.serviceId) return false
    // An aggregated client, as `SSM`, has the hooked prototype above its own.
    if (!isHookedAnywhere(client)) hookSend(client, service.className, context)
    return true
  },
})

interface ProbedClient {
  send(command: unknown): Promise<unknown>
  destroy(): void
}

async function probe(exports: unknown, { className, command, input }: AwsService): Promise<void> {
  const loaded = exports as Record<string, new (given: object) => unknown>
  const [Client, Command] = [loaded[className], loaded[command]]
  if (Client === undefined || Command === undefined) return
  const nothing = { response: { statusCode: 200, headers: {}, body: new Uint8Array() } }
  const client = new Client({
    region: 'us-east-1',
    credentials: { accessKeyId: 'probe', secretAccessKey: 'probe' },
    maxAttempts: 1,
    requestHandler: { handle: () => Promise.resolve(nothing) },
  }) as ProbedClient
  try {
    await client.send(new Command(input))
  } finally {
    client.destroy()
  }
}

/** Secrets Manager, SSM, KMS; STS, where `identity` is recorded. */
export const AWS_HOOKS: readonly ClientHook[] = SERVICES.map(hookOf)

import { createRequire } from 'node:module'
import { KeyManagementServiceClient } from '@google-cloud/kms'
import { SecretManagerServiceClient } from '@google-cloud/secret-manager'

const CODES = {
  missing: 5,
  denied: 7,
  throttled: 8,
  destroyed: 9,
  invalid: 3,
  broken: 13,
  garbled: 3,
} as const

type Answer = (error: object | null, response?: object) => void
type Method = (call: { readonly request: { readonly name: string } }, answer: Answer) => void

/** What is used of `@grpc/grpc-js`, in the copy that the client has. */
interface Grpc {
  readonly Server: new () => {
    addService(definition: object, methods: Readonly<Record<string, Method>>): void
    bindAsync(address: string, credentials: object, done: (error: Error | null, port: number) => void): void
    forceShutdown(): void
  }
  readonly ServerCredentials: { createInsecure(): object }
  readonly credentials: { createInsecure(): Credentials }
}

/** As both clients take them. */
type FakeGcpOptions = NonNullable<ConstructorParameters<typeof SecretManagerServiceClient>[0]>
type Credentials = NonNullable<FakeGcpOptions['sslCreds']>

export interface FakeGcp {
  /** For the constructor of a client. */
  readonly options: FakeGcpOptions
  readonly calls: string[]
  close(): void
}

/**
 * Secret Manager or KMS by real gRPC, made of the protos that the client itself brings along. The name of a secret or key says
 * how it is answered; `flaky` is unavailable twice.
 *
 * @param packageName of the client
 * @param makeClient makes one with the given options, connected to nothing
 * @param service where its definition is among the protos
 */
async function fakeGcp(
  packageName: string,
  makeClient: (options: FakeGcpOptions) => { initialize(): Promise<unknown>; close(): Promise<unknown> },
  service: readonly string[],
  value: string,
): Promise<FakeGcp> {
  const load = createRequire(createRequire(import.meta.url).resolve(packageName))
  const gax = createRequire(load.resolve('google-gax'))
  const grpc = gax('@grpc/grpc-js') as Grpc
  const base = { sslCreds: grpc.credentials.createInsecure(), apiEndpoint: '127.0.0.1', projectId: 'p' }

  const unconnected = makeClient({ ...base, port: 1 })
  await unconnected.initialize()
  let definition = Reflect.get(unconnected, '_protos') as Record<string, object>
  for (const name of service) definition = definition[name] as Record<string, object>
  await unconnected.close()

  const calls: string[] = []
  let unavailable = 2
  const answering =
    (body: (name: string) => object): Method =>
    ({ request: { name } }, answer) => {
      calls.push(name)
      const [, code] = Object.entries(CODES).find(([part]) => name.includes(part)) ?? []
      if (name.includes('silent')) return
      if (name.includes('flaky') && unavailable-- > 0) answer({ code: 14, details: 'later' })
      else if (code !== undefined) answer({ code, details: `no: ${value}` })
      else answer(null, body(name))
    }
  const bytes = Buffer.from(value)
  const server = new grpc.Server()
  server.addService((definition as unknown as { service: object }).service, {
    AccessSecretVersion: answering((name) => ({
      name: name.replace('latest', '7'),
      payload: { data: bytes },
    })),
    Decrypt: answering(() => ({ plaintext: bytes })),
    AsymmetricDecrypt: answering(() => ({ plaintext: bytes })),
    AsymmetricSign: answering((name) => ({ name, signature: bytes })),
    MacSign: answering((name) => ({ name, mac: bytes })),
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return { options: { ...base, port }, calls, close: () => server.forceShutdown() }
}

export const fakeSecretManager = (value: string): Promise<FakeGcp> =>
  fakeGcp(
    '@google-cloud/secret-manager',
    (options) => new SecretManagerServiceClient(options),
    ['google', 'cloud', 'secretmanager', 'v1', 'SecretManagerService'],
    value,
  )

export const fakeKms = (value: string): Promise<FakeGcp> =>
  fakeGcp(
    '@google-cloud/kms',
    (options) => new KeyManagementServiceClient(options),
    ['google', 'cloud', 'kms', 'v1', 'KeyManagementService'],
    value,
  )

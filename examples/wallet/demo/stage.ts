import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type Fixture, makeCanary, makeFixture } from './fixture.js'
import { OtlpReceiver } from './otlp-receiver.js'
import { freePorts } from './ports.js'
import { Service, type ServiceOptions } from './service.js'
import { startVault } from './vault.js'

export interface StageOptions {
  /** What the services connect with. */
  readonly databaseUrl: string
  /** What they read the trail with, for holders of {@link Stage.trailToken}. */
  readonly readerUrl: string
  /** Variables for the services, beyond those of every run. */
  readonly env?: Readonly<Record<string, string>>
  /** Where exported spans are passed on to, besides being kept. */
  readonly forwardTo?: string | undefined
  readonly log: (line: string) => void
}

/** The services of one run: the wallet in two regions, and the provider. */
export interface Stage {
  readonly fixture: Fixture
  readonly receiver: OtlpReceiver
  /** Opens the trail at the wallets' own path. */
  readonly trailToken: string
  readonly euCentral: Service
  readonly usEast: Service
  readonly provider: Service
  readonly services: readonly Service[]
  /** The service instance ids of the run. */
  readonly instances: readonly string[]
  close(): Promise<void>
}

export async function startStage(options: StageOptions): Promise<Stage> {
  const { databaseUrl, readerUrl, forwardTo, log } = options
  const trailToken = randomBytes(24).toString('base64url')
  const env = {
    NOETL_SECRET_AUDIT_READER_URL: readerUrl,
    NOETL_INTERNAL_API_TOKEN: trailToken,
    ...options.env,
  }
  // It answers a wallet, which withholds what it must.
  const providerEnv = { ...env, NOETL_SECRET_AUDIT_REQUIRED: 'false' }
  const run = randomBytes(4).toString('hex')
  const ports = await freePorts(7)
  const silent = await listenSilently()
  const port = (i: number) => ports[i] ?? 0
  const at = (i: number) => `http://127.0.0.1:${port(i)}`
  const canary = makeCanary()
  const vaultToken = randomBytes(24).toString('base64url')
  const vault = await startVault(vaultToken, {
    'tokens/production/eu-central': canary,
    'tokens/production/us-east': canary,
  })
  const addresses = {
    euCentral: at(0),
    usEast: at(1),
    provider: at(2),
    nowhere: at(6),
    silent: silent.url,
    vault: vault.address,
  }
  const fixture = makeFixture(addresses, canary, vaultToken)
  const { configs } = fixture
  const receiver = await OtlpReceiver.start(forwardTo)
  const start = (name: string, i: number, script: string, config: unknown, own = env) => {
    const service: ServiceOptions = {
      name,
      instance: `${name}-${run}`,
      script,
      config,
      port: port(i),
      metricsPort: port(i + 3),
      otlp: receiver.url,
      databaseUrl,
      env: own,
      log: (line) => log(`${name}: ${line}`),
    }
    return Service.start(service)
  }
  const outcomes = await Promise.allSettled([
    start('wallet-eu-central', 0, 'main.js', configs.euCentral),
    start('wallet-us-east', 1, 'main.js', configs.usEast),
    start('secret-provider', 2, 'provider.js', configs.provider, providerEnv),
  ])
  const services = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const close = async () => {
    await Promise.all(services.map((service) => service.stop()))
    silent.close()
    vault.close()
    await receiver.close()
  }
  const [euCentral, usEast, provider] = services
  if (euCentral === undefined || usEast === undefined || provider === undefined) {
    await close()
    throw outcomes.find((outcome) => outcome.status === 'rejected')?.reason
  }
  const instances = services.map(({ instance }) => instance)
  return { fixture, receiver, trailToken, euCentral, usEast, provider, services, instances, close }
}

/** A server that accepts connections, and never answers. */
async function listenSilently(): Promise<{ url: string; close(): void }> {
  const held = new Set<Socket>()
  const server = createServer((socket) => {
    held.add(socket)
    socket.on('error', () => {}).on('close', () => held.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.close()
    for (const socket of held) socket.destroy()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

import { randomBytes } from 'node:crypto'
import { newRecipient, type RecipientKeys, rawPublicKey } from '../sealing.js'

/** Where the services of one run listen. No server listens at `nowhere`; the one at `silent` never answers. */
export interface Addresses {
  readonly euCentral: string
  readonly usEast: string
  readonly provider: string
  readonly nowhere: string
  readonly silent: string
  readonly vault: string
}

/** What one run of the demo is about: three configurations that fit together, and what a client needs. */
export interface Fixture {
  /** The plain text of every secret of the run. It must turn up in answers, and nowhere else. */
  readonly canary: string
  readonly callerToken: string
  /** What us-east presents to eu-central. */
  readonly peerToken: string
  /** The keys of worker runner-1, the only one that is registered with a key. */
  readonly worker: RecipientKeys
  readonly configs: { readonly euCentral: unknown; readonly usEast: unknown; readonly provider: unknown }
}

/** Long enough for a busy machine; short enough to wait for the provider that never answers. */
const UPSTREAM_TIMEOUT_MS = 3000

/** The plain text of every secret of a run. */
export const makeCanary = (): string =>
  `canary/${randomBytes(9).toString('base64url')}+s3cr3t ${randomBytes(9).toString('hex')}`

export function makeFixture(addresses: Addresses, canary: string, vaultToken: string): Fixture {
  const [callerToken, euToken, usToken, providerToken] = [token(), token(), token(), token()]
  const worker = newRecipient()
  const common = {
    callers: [{ id: 'release-train', type: 'service', token: callerToken }],
    workers: [
      { id: 'runner-1', public_key: rawPublicKey(worker.publicKey).toString('base64url') },
      { id: 'runner-2' },
    ],
    template_env: { stage: 'production' },
    upstream_timeout_ms: UPSTREAM_TIMEOUT_MS,
  }
  const here = (id: string, home: string, more = {}) => ({ id, home, secret: canary, ...more })
  const there = (id: string, home: string, more = {}) => ({ id, home, ...more })
  const issued = (id: string, path: string, provider = addresses.provider) => ({
    id,
    provider,
    path,
    token: providerToken,
  })
  const euCentral = {
    ...common,
    region: 'eu-central',
    internal_token: euToken,
    keks: keks(),
    peers: [
      { region: 'us-east', url: addresses.usEast, token: usToken },
      { region: 'ap-south', url: addresses.nowhere, token: token() },
      { region: 'sa-west', url: addresses.provider, token: token() },
      { region: 'me-north', url: addresses.silent, token: token() },
    ],
    credentials: [
      here('payments-db', 'eu-central'),
      here('partner-api', 'eu-central', { kek_version: 'kek-1' }),
      here('escrow-key', 'eu-central', { kek_version: 'kek-0' }),
      here('citizen-registry', 'eu-central', { residency: ['eu-central'] }),
      there('shipping-api', 'us-east'),
      there('archive-key', 'us-east'),
      there('patient-records', 'us-east', { residency: ['us-east'] }),
      there('clinical-trials', 'us-east'),
      there('billing-legacy', 'us-east'),
      there('retired-key', 'us-east'),
      there('sensor-feed', 'ap-south'),
      there('port-feed', 'sa-west'),
      there('tanker-feed', 'me-north'),
      there('relay-key', 'af-north'),
    ],
    keychain: [
      issued('deploy-token', '/v1/tokens/{{ env.stage }}/{{ region }}'),
      issued('tenant-token', '/v1/tokens/{{ env.tenant }}/{{ region }}'),
      issued('torn-token', '/v1/tokens/{{ env.stage'),
      issued('failing-token', '/v1/failing'),
      issued('nonsense-token', '/v1/nonsense'),
      issued('silent-token', '/v1/silent'),
      issued('long-token', '/v1/long'),
      issued('revoked-token', '/v1/revoked'),
      issued('stranded-token', '/v1/tokens/{{ env.stage }}/{{ region }}', addresses.nowhere),
    ],
  }
  const usEast = {
    ...common,
    region: 'us-east',
    internal_token: usToken,
    keks: keks(),
    peers: [{ region: 'eu-central', url: addresses.euCentral, token: euToken }],
    credentials: [
      here('shipping-api', 'us-east'),
      here('archive-key', 'us-east', { kek_version: 'kek-0' }),
      here('patient-records', 'us-east', { residency: ['us-east'] }),
      here('clinical-trials', 'us-east', { residency: ['us-east'] }),
      there('billing-legacy', 'ap-south'),
      there('payments-db', 'eu-central'),
    ],
    keychain: [issued('deploy-token', '/v1/tokens/{{ env.stage }}/{{ region }}')],
  }
  const provider = { token: providerToken, vault: { address: addresses.vault, token: vaultToken } }
  return { canary, callerToken, peerToken: usToken, worker, configs: { euCentral, usEast, provider } }
}

function token(): string {
  return randomBytes(24).toString('base64url')
}

/** Three versions; what was encrypted under the destroyed one is lost. */
function keks() {
  const version = (name: string, destroyed = false) => ({
    version: name,
    key: randomBytes(32).toString('base64url'),
    destroyed,
  })
  return [version('kek-0', true), version('kek-1'), version('kek-2')]
}

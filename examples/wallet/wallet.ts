import type { KeyObject } from 'node:crypto'
import type { SecretAuditService } from 'otel-audit'
import { BearerTokens } from './bearer.js'
import { Broker } from './broker.js'
import type { Caller, WalletConfig } from './config.js'
import type { Route } from './http.js'
import { Keychain } from './keychain.js'
import { Keyring } from './kek.js'
import { publicKeyFrom } from './sealing.js'
import { CredentialStore } from './store.js'
import { crossRegionResolve } from './surfaces/cross-region-resolve.js'
import { getCredential } from './surfaces/get-credential.js'
import { getSealed } from './surfaces/get-sealed.js'
import { rotateKek } from './surfaces/rotate-kek.js'

/** One region of the credential service. */
export interface Wallet {
  readonly region: string
  readonly audit: SecretAuditService
  readonly keyring: Keyring
  readonly store: CredentialStore
  /** The public keys of the registered workers. */
  readonly workers: ReadonlyMap<string, KeyObject | undefined>
  readonly callers: BearerTokens<Caller>
  /** The peer regions, by the token that each presents to us. */
  readonly regions: BearerTokens<string>
  readonly broker: Broker
  readonly keychain: Keychain
}

/** Builds a wallet and encrypts its credentials. Throws `TypeError` for a configuration that contradicts itself. */
export function createWallet(config: WalletConfig, audit: SecretAuditService): Wallet {
  const callers = new BearerTokens<Caller>()
  for (const { token, id, type } of config.callers) callers.add(token, { id, type })
  const regions = new BearerTokens<string>()
  for (const { token, region } of config.peers) regions.add(token, region)
  const workers = new Map<string, KeyObject | undefined>()
  for (const { id, publicKey } of config.workers) {
    workers.set(
      id,
      publicKey === undefined ? undefined : publicKeyFrom(publicKey, `public_key of worker ${id}`),
    )
  }
  const env = Object.entries(config.templateEnv).map(([name, value]) => [`env.${name}`, value])
  const values = { ...Object.fromEntries(env), region: config.region }
  return {
    region: config.region,
    audit,
    ...encrypted(config),
    workers,
    callers,
    regions,
    broker: new Broker(config.peers, config.internalToken, config.upstreamTimeout),
    keychain: new Keychain(config.keychain, values, config.upstreamTimeout),
  }
}

function encrypted({ region, keks, credentials }: WalletConfig): {
  keyring: Keyring
  store: CredentialStore
} {
  const keyring = new Keyring()
  for (const { version, key } of keks) keyring.add(version, key)
  const store = new CredentialStore()
  for (const { id, home, residency, kekVersion, secret } of credentials) {
    if ((home === region) !== (secret !== undefined)) {
      throw new TypeError(
        `credential ${id}: its secret belongs into the configuration of ${home}, and only there`,
      )
    }
    store.put({
      id,
      home,
      residency,
      ...(secret !== undefined && { record: keyring.encrypt(id, Buffer.from(secret), kekVersion) }),
    })
  }
  for (const { version, destroyed } of keks) if (destroyed) keyring.destroy(version)
  return { keyring, store }
}

export function routes(wallet: Wallet): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      handle: () => ({ status: 200, body: { status: 'ok', region: wallet.region } }),
    },
    { method: 'GET', path: '/api/credentials/{id}', handle: getCredential(wallet) },
    { method: 'GET', path: '/api/credentials/{id}/sealed', handle: getSealed(wallet) },
    { method: 'POST', path: '/api/internal/cross-region/resolve', handle: crossRegionResolve(wallet) },
    { method: 'POST', path: '/api/internal/kek/rotate', handle: rotateKek(wallet) },
  ]
}

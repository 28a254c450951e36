import { SecretAuditService } from 'otel-audit'
import { describe, expect, it } from 'vitest'
import { walletConfig } from '../../../examples/wallet/config.js'
import { createWallet } from '../../../examples/wallet/wallet.js'

const CANARY = 'canary-config-90ce'
const KEY = Buffer.alloc(32, 7).toString('base64url')

const GOOD = {
  region: 'eu-central',
  internal_token: 'internal-token-of-eu',
  keks: [{ version: 'kek-1', key: KEY }],
  credentials: [{ id: 'db', home: 'eu-central', secret: CANARY }],
}

function create(change: object) {
  return createWallet(walletConfig({ ...GOOD, ...change }), SecretAuditService.noop())
}

describe('the configuration of a wallet', () => {
  it('is used: the secret is encrypted, and nothing of it stays', () => {
    const wallet = create({})
    const record = wallet.store.find('db')?.record
    expect(record && wallet.keyring.decrypt('db', record).toString()).toBe(CANARY)
    expect(JSON.stringify(wallet.store.find('db'))).not.toContain(CANARY)
  })

  it.each([
    ['no region', { region: '' }, 'region'],
    ['a KEK of the wrong size', { keks: [{ version: 'kek-1', key: 'AAAA' }] }, 'keks[0].key'],
    ['no KEK', { keks: [] }, 'at least one key-encryption key'],
    [
      'a secret of another region',
      { credentials: [{ id: 'x', home: 'us', secret: CANARY }] },
      'and only there',
    ],
    ['a credential without secret', { credentials: [{ id: 'x', home: 'eu-central' }] }, 'and only there'],
    ['a residency that is no list', { credentials: [{ id: 'x', home: 'us', residency: 7 }] }, 'residency'],
    ['a worker with a useless key', { workers: [{ id: 'w', public_key: 'AAAA' }] }, 'public_key of worker w'],
    ['a peer without URL', { peers: [{ region: 'us', url: 'ftp://x', token: 't' }] }, 'peers[0].url'],
    [
      'a path that is a host',
      { keychain: [{ id: 'k', provider: 'http://a', token: 't', path: '//b/c' }] },
      'path',
    ],
    ['a time-out of nothing', { upstream_timeout_ms: 0 }, 'upstream_timeout_ms'],
  ])('refuses %s, and names the place but no value', (_, change, place) => {
    expect(() => create(change)).toThrow(TypeError)
    expect(() => create(change)).toThrow(place)
    expect(() => create(change)).not.toThrow(CANARY)
  })
})

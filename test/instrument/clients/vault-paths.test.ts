import { describe, expect, it } from 'vitest'
import { vaultAccess } from '../../../src/instrument/clients/vault-paths.js'

/** What a request comes to, as `operation credential`. */
function access(method: string, path: string): string {
  const found = vaultAccess({ method, path })
  return found === undefined ? '-' : `${found.operation} ${found.credential}`
}

describe('a request to a Vault', () => {
  it.each([
    ['GET', '/secret/orders-db', 'get_credential secret/orders-db'],
    ['get', 'secret//data/team/orders-db/', 'get_credential secret/team/orders-db'],
    ['GET', 'team/kv/data/a/data/b', 'get_credential team/kv/a/data/b'],
    ['GET', 'secret/config/database', 'get_credential secret/config/database'],
    ['GET', 'cubbyhole/mine', 'get_credential cubbyhole/mine'],
    ['POST', 'sys/wrapping/unwrap', 'get_credential sys/wrapping/unwrap'],
    ['GET', 'transit/export/encryption-key/k', 'get_credential transit/export/encryption-key/k'],
    ['GET', 'transit/backup/k', 'get_credential transit/backup/k'],
    ['GET', 'totp/code/k', 'get_credential totp/code/k'],
    ['GET', 'database/static-creds/app', 'get_credential database/static-creds/app'],
  ])('%s %s reads a secret', (method, path, found) => {
    expect(access(method, path)).toBe(found)
  })

  it.each([
    ['GET', 'database/creds/orders'],
    ['POST', 'aws/sts/deploy'],
    ['GET', 'aws/creds/deploy'],
    ['PUT', 'pki/issue/web'],
    ['POST', 'pki_int/sign/web'],
    ['POST', 'ssh/sign/admin'],
    ['POST', 'ssh/creds/admin'],
    ['GET', 'identity/oidc/token/app'],
    ['POST', 'auth/approle/login'],
    ['POST', 'auth/userpass/login/bob'],
    ['POST', 'auth/token/create'],
    ['POST', 'auth/token/create-orphan'],
    ['POST', 'auth/token/create/role'],
  ])('%s %s has one made', (method, path) => {
    expect(access(method, path)).toBe(`issue_credential ${path}`)
  })

  it.each([
    ['POST', 'transit/decrypt/orders'],
    ['PUT', 'transit-eu/datakey/plaintext/orders'],
    ['POST', 'transit/sign/orders/sha2-256'],
    ['POST', 'transit/hmac/orders'],
    ['POST', 'transit/rewrap/orders'],
    ['POST', 'transform/decode/cards'],
  ])('%s %s uses a key', (method, path) => {
    expect(access(method, path)).toBe(`use_key ${path}`)
  })

  it.each([
    ['GET', 'secret/metadata/orders-db'],
    ['GET', 'secret/subkeys/orders-db'],
    ['GET', 'secret/config'],
    ['GET', 'secret/data/?list=true'],
    ['GET', 'secret/orders?help=1'],
    ['LIST', 'secret/metadata'],
    ['HEAD', 'secret/orders-db'],
    ['POST', 'secret/data/orders-db'],
    ['DELETE', 'secret/data/orders-db'],
    ['GET', 'sys/health'],
    ['GET', 'sys/mounts'],
    ['GET', 'auth/token/lookup-self'],
    ['GET', 'identity/entity/id/1'],
    ['GET', 'pki/ca/pem'],
    ['GET', 'pki_int/cert/ca'],
    ['GET', 'pki/crl'],
    ['GET', 'transit/keys/orders'],
    ['GET', 'database/roles/orders'],
    ['POST', 'transit/encrypt/orders'],
    ['POST', 'transit/datakey/wrapped/orders'],
    ['GET', ''],
  ])('%s %s is nothing', (method, path) => {
    expect(access(method, path)).toBe('-')
  })

  it('has the version that is asked for', () => {
    expect(vaultAccess({ method: 'GET', path: 'secret/data/a?version=3' })?.version).toBe('3')
  })

  it('keeps nothing like a token', () => {
    const tokens = ['hvs.CAESIJ', 's.1234', 'eyJhbGciOi', 'x'.repeat(65)]
    for (const token of tokens) {
      expect(access('GET', `secret/data/${token}/a`)).toBe('get_credential secret/[redacted]/a')
    }
  })
})

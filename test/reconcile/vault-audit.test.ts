import { describe, expect, it } from 'vitest'
import { readVaultAudit } from '../../src/reconcile/vault-audit.js'
import { aVaultLine } from './provider-logs.js'

const read = (line: object) => readVaultAudit(Buffer.from(JSON.stringify(line)))
const accessOf = (line: object) => read(line)?.accesses[0]

describe('a line of an audit device', () => {
  it('is an access, with what tells it from others', () => {
    expect(read(aVaultLine({ namespace: 'team/' }))).toEqual({
      time: Date.UTC(2026, 10, 29, 10, 0, 3) * 1000 + 566_375,
      accesses: [
        {
          log: 'vault',
          time: Date.UTC(2026, 10, 29, 10, 0, 3) * 1000 + 566_375,
          requestId: '66ce0488-eac1',
          credential: 'secret/orders-db',
          namespace: 'team',
          api: 'read secret/data/orders-db',
          identity: 'kubernetes-orders',
          result: 'released',
        },
      ],
    })
  })

  it('from before the work is an entry, and not an access yet', () => {
    expect(read(aVaultLine({ type: 'request' }))?.accesses).toEqual([])
  })

  const some = { value: 'hmac-sha256:1' }
  it.each([
    ['kv', 'read', 'kv/team/', 'data/a/b', { data: {}, metadata: {} }, 'kv/team/a/b'],
    ['kv', 'read', 'secret/', 'metadata/a', { current_version: 1, versions: {} }, undefined],
    ['kv', 'read', 'secret/', 'subkeys/a', { metadata: {}, subkeys: {} }, undefined],
    ['kv', 'read', 'secret/', 'config', { max_versions: 0 }, undefined],
    ['kv', 'read', 'old/', 'a', some, 'old/a'],
    ['kv', 'read', 'old/', 'metadata/a', { password: 'hmac-sha256:1' }, 'old/metadata/a'],
    ['kv', 'list', 'secret/', 'metadata/', { keys: ['a'] }, undefined],
    ['kv', 'create', 'secret/', 'data/a', { version: 1 }, undefined],
    ['cubbyhole', 'read', 'cubbyhole/', 'x', some, 'cubbyhole/x'],
    ['system', 'update', 'sys/', 'wrapping/unwrap', some, 'sys/wrapping/unwrap'],
    ['system', 'read', 'sys/', 'health', some, undefined],
    ['transit', 'update', 'transit/', 'decrypt/k', { plaintext: 'hmac-sha256:1' }, 'transit/decrypt/k'],
    ['transit', 'update', 'transit/', 'encrypt/k', { ciphertext: 'hmac-sha256:1' }, undefined],
    ['transit', 'update', 'transit/', 'datakey/plaintext/k', some, 'transit/datakey/plaintext/k'],
    ['transit', 'update', 'transit/', 'datakey/wrapped/k', some, undefined],
    ['transit', 'read', 'transit/', 'export/encryption-key/k', some, 'transit/export/encryption-key/k'],
    ['transit', 'read', 'transit/', 'keys/k', some, undefined],
    ['database', 'read', 'db/', 'creds/orders', some, 'db/creds/orders'],
    ['database', 'read', 'db/', 'static-creds/orders', some, 'db/static-creds/orders'],
    ['database', 'read', 'db/', 'roles/orders', some, undefined],
    ['aws', 'update', 'aws/', 'sts/orders', some, 'aws/sts/orders'],
    ['pki', 'update', 'pki_int/', 'issue/orders', some, 'pki_int/issue/orders'],
    ['pki', 'read', 'pki_int/', 'cert/ca', some, undefined],
    ['ssh', 'update', 'ssh/', 'sign/orders', some, 'ssh/sign/orders'],
    ['totp', 'read', 'totp/', 'code/orders', some, 'totp/code/orders'],
    ['identity', 'read', 'identity/', 'oidc/token/orders', some, 'identity/oidc/token/orders'],
    ['identity', 'read', 'identity/', 'entity/id/1', some, undefined],
    ['kubernetes', 'update', 'auth/kubernetes/', 'login', undefined, 'auth/kubernetes/login'],
    ['kubernetes', 'read', 'auth/kubernetes/', 'role/orders', some, undefined],
    ['token', 'update', 'auth/token/', 'create', undefined, 'auth/token/create'],
    ['token', 'read', 'auth/token/', 'lookup-self', some, undefined],
  ])('of %s, %s %s%s: %j', (mountType, operation, mount, path, data, credential) => {
    const line = aVaultLine({
      mountType,
      operation,
      mount,
      path: `${mount}${path}`,
      data,
      auth: { accessor: 'x' },
    })
    const access = accessOf(line)
    expect(access?.result === 'public' ? undefined : access?.credential).toBe(credential)
  })

  it.each([
    ['database', 'read', 'db/', 'roles/orders', 'db/roles/orders'],
    ['kv', 'read', 'secret/', 'metadata/a', 'secret/metadata/a'],
    ['ssh', 'update', 'other/', 'sign-help/x', undefined],
    ['kv', 'update', 'old/', 'creds/x', 'old/creds/x'],
    ['kv', 'update', 'old/', 'x', undefined],
    ['system', 'read', 'sys/', 'health', undefined],
    ['kubernetes', 'read', 'auth/kubernetes/', 'role/orders', undefined],
  ])(
    'of %s, %s %s%s is public, and may have a row all the same: %s',
    (mountType, operation, mount, path, credential) => {
      const line = aVaultLine({
        mountType,
        operation,
        mount,
        path: `${mount}${path}`,
        data: { versions: {} },
      })
      expect(accessOf(line)?.credential).toBe(credential)
      expect(accessOf(line)?.result).toBe(credential && 'public')
    },
  )

  it('of a server that does not name the mount goes by the path', () => {
    const old = { mount: undefined, mountType: undefined }
    expect(accessOf(aVaultLine(old))?.credential).toBe('secret/orders-db')
    expect(accessOf(aVaultLine({ ...old, path: 'transit/keys/k', data: some }))?.result).toBe('public')
    expect(accessOf(aVaultLine({ ...old, path: 'db/creds/orders', data: some }))?.credential).toBe(
      'db/creds/orders',
    )
    const login = { ...old, operation: 'update', path: 'auth/kubernetes/login', data: undefined }
    expect(accessOf(aVaultLine(login))?.credential).toBe('auth/kubernetes/login')
    expect(accessOf(aVaultLine({ ...login, path: 'auth/token/create' }))?.credential).toBe(
      'auth/token/create',
    )
  })

  it.each([
    ['a value', {}, 'released'],
    ['nothing', { data: undefined }, 'refused'],
    ['a deleted version', { data: { http_raw_body: 'hmac-sha256:1', http_status_code: 404 } }, 'refused'],
    ['a denial', { error: '1 error occurred:\n\t* permission denied\n\n', data: undefined }, 'refused'],
    ['a wrapped value', { data: undefined, wrap: { ttl: 60, token: 'hmac-sha256:1' } }, 'released'],
    ['a token', { data: undefined, auth: { client_token: 'hmac-sha256:1' } }, 'released'],
  ])('that answers %s: %j', (_, answer, result) => {
    expect(accessOf(aVaultLine(answer))?.result).toBe(result)
  })

  it.each([
    '{',
    'null',
    '[]',
    '{}',
    '{"type":"response","time":"now"}',
    '{"type":"other","time":"2026-11-29T10:00:03Z"}',
  ])('%s is not one', (text) => {
    expect(readVaultAudit(Buffer.from(text))).toBeUndefined()
  })
})

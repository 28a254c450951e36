import { describe, expect, it } from 'vitest'
import { SecretPaths, USUAL_MOUNTS } from '../../../src/instrument/files/secret-paths.js'

const usual = new SecretPaths(USUAL_MOUNTS)

describe('the paths of secrets', () => {
  it.each([
    ['/run/secrets/db', 'file:/run/secrets/db'],
    ['/var/run/secrets/app/db', 'file:/var/run/secrets/app/db'],
    ['/run/secrets/app/..data/db', 'file:/run/secrets/app/db'],
    ['/run/secrets/app/..2026_11_29_20_00_00.123/db', 'file:/run/secrets/app/db'],
    ['/vault/secrets/db.json', 'file:/vault/secrets/db.json'],
    ['/vault/secrets/hvs.CAESIJ', 'file:/vault/secrets/[redacted]'],
    ['/mnt/secrets-store/db', 'file:/mnt/secrets-store/db'],
    ['/run/secretsx/db', undefined],
    ['/etc/passwd', undefined],
    ['/var/run/secrets/kubernetes.io/serviceaccount/token', undefined],
    ['/run/secrets/kubernetes.io/serviceaccount/..data/token', undefined],
  ])('%s', (path, credential) => {
    expect(usual.credentialOf(path)).toBe(credential)
  })

  it('a file may be named itself, and the token of the service account, too', () => {
    const paths = new SecretPaths(['/app/key.pem', '/var/run/secrets/kubernetes.io/serviceaccount'])
    expect(paths.credentialOf('/app/key.pem')).toBe('file:/app/key.pem')
    expect(paths.credentialOf('/app/key.pem.old')).toBeUndefined()
    const token = '/var/run/secrets/kubernetes.io/serviceaccount/token'
    expect(paths.credentialOf(token)).toBe(`file:${token}`)
  })
})

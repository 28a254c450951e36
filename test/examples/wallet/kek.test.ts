import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { KekDestroyedError, Keyring } from '../../../examples/wallet/kek.js'
import { CredentialStore } from '../../../examples/wallet/store.js'

const SECRET = Buffer.from('canary-kek-7b1f')

function keyring(...versions: string[]): Keyring {
  const keys = new Keyring()
  for (const version of versions) keys.add(version, randomBytes(32))
  return keys
}

describe('Keyring', () => {
  it('encrypts under the newest version, and decrypts', () => {
    const keys = keyring('kek-1', 'kek-2')
    const record = keys.encrypt('db', SECRET)
    expect(record.kekVersion).toBe('kek-2')
    expect(keys.decrypt('db', record)).toEqual(SECRET)
    expect(record.body.ciphertext.includes(SECRET)).toBe(false)
  })

  it('never encrypts the same secret to the same bytes', () => {
    const keys = keyring('kek-1')
    const [a, b] = [keys.encrypt('db', SECRET), keys.encrypt('db', SECRET)]
    expect(a.body.ciphertext).not.toEqual(b.body.ciphertext)
    expect(a.wrappedKey.ciphertext).not.toEqual(b.wrappedKey.ciphertext)
  })

  it('refuses a record under another credential’s name, and a changed one', () => {
    const keys = keyring('kek-1')
    const record = keys.encrypt('db', SECRET)
    expect(() => keys.decrypt('db2', record)).toThrow()
    for (const part of ['wrappedKey', 'body'] as const) {
      for (const field of ['nonce', 'ciphertext', 'tag'] as const) {
        const changed = Buffer.from(record[part][field])
        changed[0] = (changed[0] ?? 0) ^ 1
        expect(() =>
          keys.decrypt('db', { ...record, [part]: { ...record[part], [field]: changed } }),
        ).toThrow()
      }
    }
  })

  it('binds the data key to the version that wraps it', () => {
    const keys = new Keyring()
    const key = randomBytes(32)
    keys.add('kek-1', key)
    keys.add('kek-2', key)
    const record = keys.encrypt('db', SECRET, 'kek-1')
    expect(() => keys.decrypt('db', { ...record, kekVersion: 'kek-2' })).toThrow()
  })

  it('rewraps to the current version without touching the encrypted secret', () => {
    const keys = keyring('kek-1')
    const old = keys.encrypt('db', SECRET)
    expect(keys.rotate()).toBe('kek-2')
    const moved = keys.rewrap('db', old)
    expect(moved.kekVersion).toBe('kek-2')
    expect(moved.body).toBe(old.body)
    keys.destroy('kek-1')
    expect(keys.decrypt('db', moved)).toEqual(SECRET)
    expect(() => keys.decrypt('db', old)).toThrow(KekDestroyedError)
  })

  it('never gives a destroyed version’s name to a new key', () => {
    const keys = keyring('kek-1', 'kek-2')
    keys.destroy('kek-1')
    expect(keys.rotate()).toBe('kek-3')
    expect(() => keys.add('kek-1', randomBytes(32))).toThrow('given twice')
  })

  it('keeps the version in use, and wants whole keys', () => {
    const keys = keyring('kek-1')
    expect(() => keys.destroy('kek-1')).toThrow('in use')
    expect(() => keys.add('kek-2', randomBytes(16))).toThrow('32 bytes')
    expect(() => new Keyring().encrypt('db', SECRET)).toThrow('at least one')
  })
})

describe('CredentialStore', () => {
  it('moves every readable record to the current version, and leaves the others', () => {
    const keys = keyring('kek-0', 'kek-1')
    const store = new CredentialStore()
    const common = { home: 'eu-central', residency: 'anywhere' } as const
    store.put({ id: 'shredded', ...common, record: keys.encrypt('shredded', SECRET, 'kek-0') })
    store.put({ id: 'db', ...common, record: keys.encrypt('db', SECRET) })
    store.put({ id: 'elsewhere', ...common, home: 'us-east' })
    keys.destroy('kek-0')
    const current = keys.rotate()
    expect(store.rewrap(keys)).toBe(1)
    expect(store.rewrap(keys)).toBe(0)
    expect(store.find('db')?.record?.kekVersion).toBe(current)
    expect(store.find('shredded')?.record?.kekVersion).toBe('kek-0')
    expect(store.find('elsewhere')?.record).toBeUndefined()
  })

  it('refuses a second credential of one name', () => {
    const store = new CredentialStore()
    store.put({ id: 'db', home: 'eu-central', residency: 'anywhere' })
    expect(() => store.put({ id: 'db', home: 'us-east', residency: 'anywhere' })).toThrow('given twice')
  })
})

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'

/** AES-256-GCM: a 96-bit nonce and a 128-bit tag, NIST SP 800-38D. */
interface Sealed {
  readonly nonce: Buffer
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

/** A secret at rest: its own data key encrypts it, and a version of the key-encryption key encrypts that. */
export interface EncryptedRecord {
  readonly kekVersion: string
  readonly wrappedKey: Sealed
  readonly body: Sealed
}

/** The version that wraps a record's data key does not exist any more: the record cannot be read again. */
export class KekDestroyedError extends Error {
  override readonly name = 'KekDestroyedError'
}

/**
 * The versions of the key-encryption key. New records use the newest; a record is read with the version it
 * names. `rewrap` moves a record to the newest version without touching the encrypted secret; `destroy`
 * makes whatever still depends on a version unreadable for ever.
 */
export class Keyring {
  readonly #versions = new Map<string, KeyObject>()
  readonly #names = new Set<string>()
  #current: string | undefined
  #next = 1

  add(version: string, key: Buffer): void {
    if (key.length !== 32) throw new TypeError(`key-encryption key ${version}: 32 bytes are needed`)
    if (this.#names.has(version)) throw new TypeError(`key-encryption key ${version}: given twice`)
    this.#names.add(version)
    this.#versions.set(version, createSecretKey(key))
    this.#current = version
  }

  /** Makes a new version from random bytes, and makes it current. A destroyed version's name is not used again. */
  rotate(): string {
    while (this.#names.has(`kek-${this.#next}`)) this.#next++
    this.add(`kek-${this.#next}`, randomBytes(32))
    return this.current
  }

  destroy(version: string): void {
    if (version === this.#current) throw new TypeError(`key-encryption key ${version} is in use`)
    this.#versions.delete(version)
  }

  get current(): string {
    if (this.#current === undefined) throw new TypeError('at least one key-encryption key is needed')
    return this.#current
  }

  has(version: string): boolean {
    return this.#versions.has(version)
  }

  encrypt(credential: string, secret: Buffer, version = this.current): EncryptedRecord {
    const dataKey = randomBytes(32)
    const record = {
      kekVersion: version,
      wrappedKey: seal(this.#key(version), dataKey, binding('key', credential, version)),
      body: seal(createSecretKey(dataKey), secret, binding('body', credential)),
    }
    dataKey.fill(0)
    return record
  }

  decrypt(credential: string, record: EncryptedRecord): Buffer {
    const dataKey = this.#unwrap(credential, record)
    const secret = open(createSecretKey(dataKey), record.body, binding('body', credential))
    dataKey.fill(0)
    return secret
  }

  rewrap(credential: string, record: EncryptedRecord): EncryptedRecord {
    const dataKey = this.#unwrap(credential, record)
    const version = this.current
    const wrappedKey = seal(this.#key(version), dataKey, binding('key', credential, version))
    dataKey.fill(0)
    return { kekVersion: version, wrappedKey, body: record.body }
  }

  #unwrap(credential: string, { kekVersion, wrappedKey }: EncryptedRecord): Buffer {
    return open(this.#key(kekVersion), wrappedKey, binding('key', credential, kekVersion))
  }

  #key(version: string): KeyObject {
    const key = this.#versions.get(version)
    if (key === undefined) throw new KekDestroyedError(`key-encryption key ${version} has been destroyed`)
    return key
  }
}

/** Additional authenticated data: a record moved to another credential's name does not decrypt. */
function binding(...parts: string[]): Buffer {
  return Buffer.from(JSON.stringify(['wallet/v1', ...parts]))
}

function seal(key: KeyObject, plaintext: Buffer, aad: Buffer): Sealed {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad)
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return { nonce, ciphertext, tag: cipher.getAuthTag() }
}

function open(key: KeyObject, { nonce, ciphertext, tag }: Sealed, aad: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAAD(aad)
  decipher.setAuthTag(tag)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}

import type { EncryptedRecord, Keyring } from './kek.js'
import type { Residency } from './residency.js'

/** What every region knows about a credential. Only the home region has its record. */
export interface Credential {
  readonly id: string
  readonly home: string
  readonly residency: Residency
  readonly record?: EncryptedRecord
}

/** The catalogue of all regions, and the encrypted records of this one. In memory; nothing in clear text. */
export class CredentialStore {
  readonly #credentials = new Map<string, Credential>()

  put(credential: Credential): void {
    if (this.#credentials.has(credential.id)) throw new TypeError(`credential ${credential.id}: given twice`)
    this.#credentials.set(credential.id, credential)
  }

  find(id: string): Credential | undefined {
    return this.#credentials.get(id)
  }

  /** Moves every record that is still readable to the current key-encryption key; returns how many moved. */
  rewrap(keyring: Keyring): number {
    let moved = 0
    for (const [id, credential] of this.#credentials) {
      const { record } = credential
      if (record === undefined || record.kekVersion === keyring.current) continue
      if (!keyring.has(record.kekVersion)) continue
      this.#credentials.set(id, { ...credential, record: keyring.rewrap(id, record) })
      moved++
    }
    return moved
  }
}

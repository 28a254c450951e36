import { hash } from '../host/crypto.js'
import { archiveError } from './archive-store.js'

/** Which credentials a part may have, as its manifest says it. A Bloom filter: it never says "no" of one that is there. */
export interface CredentialFilterJson {
  /** A power of two. */
  readonly bits: number
  /** Base64. */
  readonly data: string
}

const HASHES = 7
/** With 7 hashes: 1 of 120 that are not there is taken for one that may be. */
const BITS_PER_CREDENTIAL = 10
const LEAST_BITS = 512
/** 256 KiB. */
const MOST_BITS = 2 ** 21

export class CredentialFilter {
  readonly #bytes: Buffer
  readonly #bits: number

  private constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#bits = bytes.length * 8
  }

  static of(credentials: ReadonlySet<string>): CredentialFilter {
    let bits = LEAST_BITS
    while (bits < MOST_BITS && bits < credentials.size * BITS_PER_CREDENTIAL) bits *= 2
    const filter = new CredentialFilter(Buffer.alloc(bits / 8))
    for (const credential of credentials)
      for (const bit of filter.#placesOf(credential)) {
        filter.#bytes[bit >> 3] = (filter.#bytes[bit >> 3] ?? 0) | (1 << (bit & 7))
      }
    return filter
  }

  /** @throws AuditError `AUDIT_ARCHIVE` for what is not a filter */
  static read({ bits, data }: CredentialFilterJson): CredentialFilter {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'base64') : Buffer.alloc(0)
    const isPower =
      Number.isSafeInteger(bits) && bits >= LEAST_BITS && bits <= MOST_BITS && (bits & (bits - 1)) === 0
    if (!isPower || bytes.length * 8 !== bits) throw archiveError('not a filter of credentials')
    return new CredentialFilter(bytes)
  }

  get json(): CredentialFilterJson {
    return { bits: this.#bits, data: this.#bytes.toString('base64') }
  }

  mayHave(credential: string): boolean {
    return this.#placesOf(credential).every((bit) => ((this.#bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0)
  }

  /** Seven of one hash. Source: Kirsch and Mitzenmacher, "Less hashing, same performance". */
  #placesOf(credential: string): readonly number[] {
    const digest = hash('sha256', credential, 'buffer')
    const [first, step] = [digest.readUInt32BE(0), digest.readUInt32BE(4) | 1]
    return Array.from({ length: HASHES }, (_, i) => ((first + i * step) >>> 0) % this.#bits)
  }
}

import { createHmac, randomBytes, scryptSync, timingSafeEqual } from '../host/crypto.js'
import { AuditError } from '../errors.js'
import { sha256 } from '../event/sha256.js'
import { INT8_MIN } from '../event/int8.js'
import type { ResolvedFilter } from './filter.js'

/** Where a scan stands, and what it is a scan of. */
export interface Position {
  /** The last row that was returned. */
  readonly auditId: bigint
  /** The scan is of rows of transactions below this one. */
  readonly mark: bigint | undefined
  /** The window, resolved when the scan began: `-24h` would move on. */
  readonly from: number | undefined
  readonly to: number | undefined
}

const VERSION = 1
const NUMBERS_END = 1 + 4 * 8
const SCAN_END = NUMBERS_END + 16
const LENGTH = SCAN_END + 16
const AS_GIVEN =
  'use next_cursor unchanged; the server may have restarted, or be another one (give all of them the same cursorKey)'
/** No id, transaction or time is this. */
const ABSENT = INT8_MIN

/**
 * Makes and reads cursors: version, position, a hash of the filter, and an HMAC-SHA-256 over all that (16 bytes of it),
 * in base64url. Without the key none can be made, and none fits another filter.
 */
export class Cursors {
  readonly #key: Buffer

  constructor(key: Buffer) {
    this.#key = key
  }

  write({ auditId, mark, from, to }: Position, filter: ResolvedFilter): string {
    const bytes = Buffer.alloc(LENGTH)
    bytes.writeUInt8(VERSION)
    const numbers = [auditId, mark, from, to]
    for (const [i, number] of numbers.entries()) {
      bytes.writeBigInt64BE(number === undefined ? ABSENT : BigInt(number), 1 + 8 * i)
    }
    scanHash(filter).copy(bytes, NUMBERS_END)
    this.#mac(bytes).copy(bytes, SCAN_END)
    return bytes.toString('base64url')
  }

  /** @throws AuditError `AUDIT_INVALID_QUERY` for a cursor that is broken, of another key, or of another filter */
  read(cursor: string, filter: ResolvedFilter): Position {
    const bytes = Buffer.from(cursor, 'base64url')
    // Several texts may stand for the same bytes; one of them is the cursor.
    if (bytes.length !== LENGTH || bytes.toString('base64url') !== cursor || bytes[0] !== VERSION) {
      throw invalid(`is not a cursor of this trail: ${AS_GIVEN}`)
    }
    if (!timingSafeEqual(this.#mac(bytes), bytes.subarray(SCAN_END))) {
      throw invalid(`was changed, or made by another server: ${AS_GIVEN}`)
    }
    if (!timingSafeEqual(scanHash(filter), bytes.subarray(NUMBERS_END, SCAN_END))) {
      throw invalid('belongs to other filters: repeat those of the first page')
    }
    const number = (i: number): bigint | undefined => {
      const value = bytes.readBigInt64BE(1 + 8 * i)
      return value === ABSENT ? undefined : value
    }
    const time = (i: number): number | undefined => {
      const value = number(i)
      return value === undefined ? undefined : Number(value)
    }
    return { auditId: number(0) ?? 0n, mark: number(1), from: time(2), to: time(3) }
  }

  #mac(bytes: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(bytes.subarray(0, SCAN_END)).digest().subarray(0, 16)
  }
}

function scanHash({ text }: ResolvedFilter): Buffer {
  return sha256(text).subarray(0, 16)
}

function invalid(problem: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `cursor ${problem}`, { field: 'cursor' })
}

/** Slow on purpose: a cursor must be no quick way to try out keys. @param secret undefined: a random key */
export function cursorKey(secret: string | undefined): Buffer {
  return secret === undefined ? randomBytes(32) : scryptSync(secret, 'otel-audit/cursor/v1', 32)
}

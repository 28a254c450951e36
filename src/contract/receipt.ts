import { formatTime } from '../event/time.js'

/** The row that a strict record is stored as: what a pipeline grants. */
export interface StoredRow {
  /** The id of the stored row. Differs from the id of the record only when the event had to be re-keyed. */
  readonly auditId: bigint
  /** When the database wrote the row: µs since the Unix epoch, by the database's clock. */
  readonly committedAt: number
  /** SHA-256 of the stored event, 32 bytes. */
  readonly digest: Buffer
  /**
   * Where the row is in its writer's chain of signed blocks. Undefined when the sink keeps none, and when the row turned
   * out to be stored before, by another writer.
   */
  readonly place: RowPlace | undefined
}

/** Proof for the caller of a strict record that its row is committed. */
export interface Receipt extends StoredRow {
  /** For answers and logs in JSON, which has no integers of 64 bits: the id and the time as text, the digest in hex. */
  toJSON(): ReceiptJson
}

/** A receipt as JSON has it. */
export interface ReceiptJson {
  readonly auditId: string
  /** RFC 3339 in UTC, with six digits of the second's fraction. */
  readonly committedAt: string
  /** 64 hex digits. */
  readonly digest: string
  readonly place: RowPlace | undefined
}

/** The place of a row in a writer's chain. */
export interface RowPlace {
  /** The name of the log that the chain belongs to. */
  readonly log: string
  /** 32 hex digits. */
  readonly chain: string
  readonly block: number
  /** From 0, in ascending order of audit ids. */
  readonly index: number
}

export class StoredReceipt implements Receipt {
  readonly auditId: bigint
  readonly committedAt: number
  readonly digest: Buffer
  readonly place: RowPlace | undefined

  constructor({ auditId, committedAt, digest, place }: StoredRow) {
    this.auditId = auditId
    this.committedAt = committedAt
    this.digest = digest
    this.place = place
  }

  toJSON(): ReceiptJson {
    const { auditId, committedAt, digest, place } = this
    return {
      auditId: auditId.toString(),
      committedAt: formatTime(committedAt),
      digest: digest.toString('hex'),
      place,
    }
  }
}

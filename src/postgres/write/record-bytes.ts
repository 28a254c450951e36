import type { BlockColumns } from '../../chain/block-columns.js'
import type { BatchEntry } from '../../contract/sink.js'
import { FIELDS } from '../../event/fields.js'
import { writeUtf8 } from '../../event/utf8.js'

/** `pg_type.oid` of what our columns are. */
const INT4 = 23
const INT8 = 20
const TEXT = 25
const BYTEA = 17
const UUID = 2950
const TIMESTAMPTZ = 1184
const JSON_TEXT = 114

/** µs from the Unix epoch to that of Postgres, 2000-01-01. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n

/** Bytes of a column beside its value: type and length. */
const HEADER_BYTES = 8
/** UTF-8 needs no more for a UTF-16 code unit. */
const BYTES_PER_UNIT = 3
const NULL = -1

const LENGTH_BYTES = 4
/** Of an array in binary: dimensions, whether it holds NULLs, type of its elements, how many, index of the first. */
const ARRAY_HEADER_BYTES = 20
const ONE_DIMENSION = 1
const NO_NULLS = 0
/** The server looks for the type that the statement names, unless both are built in. */
const ANY_TYPE = 0
const FIRST_INDEX = 1

/**
 * Values as `record_recv` of Postgres takes them, and `record_send` gives them: the number of columns, then for each its
 * type, its length, and its bytes. What is sent in this form is compared as a whole with what is read back.
 */
class RecordBytes {
  #buffer = Buffer.allocUnsafeSlow(1024)
  /** Of the same bytes: a `Buffer` takes integers apart in JavaScript. */
  #view = new DataView(this.#buffer.buffer)
  #at = 0

  begin(columns: number): void {
    this.#int32(columns)
  }

  /** An array of records, of so many; what is behind it are its elements. */
  beginArray(records: number): void {
    this.#int32(ONE_DIMENSION)
    this.#int32(NO_NULLS)
    this.#int32(ANY_TYPE)
    this.#int32(records)
    this.#int32(FIRST_INDEX)
  }

  /** An element of an array. @returns where its length is to be, for {@link endElement} */
  beginElement(columns: number): number {
    const start = this.#at
    this.#int32(0)
    this.#int32(columns)
    return start
  }

  endElement(start: number): void {
    this.#view.setInt32(start, this.#at - start - LENGTH_BYTES)
  }

  int4(value: number): void {
    this.#header(INT4, 4)
    this.#int32(value)
  }

  int8(value: bigint | null, type = INT8): void {
    this.#header(type, value === null ? NULL : 8)
    if (value === null) return
    this.#reserve(8)
    this.#view.setBigInt64(this.#at, value)
    this.#at += 8
  }

  text(value: string | null, type = TEXT): void {
    if (value === null) return this.#header(type, NULL)
    this.#reserve(HEADER_BYTES + value.length * BYTES_PER_UNIT)
    const length = writeUtf8(this.#buffer, value, this.#at + HEADER_BYTES)
    this.#header(type, length)
    this.#at += length
  }

  bytes(value: Uint8Array, type = BYTEA): void {
    this.#header(type, value.length)
    this.#reserve(value.length)
    this.#buffer.set(value, this.#at)
    this.#at += value.length
  }

  /** A copy: the buffer is used again. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#at))
    this.#at = 0
    return taken
  }

  #header(type: number, length: number): void {
    this.#int32(type)
    this.#int32(length)
  }

  #int32(value: number): void {
    this.#reserve(4)
    this.#view.setInt32(this.#at, value)
    this.#at += 4
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow((this.#at + bytes) * 2)
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
    this.#view = new DataView(larger.buffer)
  }
}

// Reused by everything that is sent: what it holds is copied before the next begins.
const record = new RecordBytes()

/** Fields in the order of their tags, then digest, chain, block, index. */
const ROW_COLUMNS = FIELDS.length + 4

/**
 * Rows of a block: `$1` of `append-rows.sql`. The number of rows is at least one.
 *
 * Each field by name: with a loop over the fields, and integers written by a `Buffer`, a row took 1.2 µs; so it takes 0.5 (2026-11-29).
 */
export function rowsArray({ chainId, blockNo }: BlockColumns, entries: readonly BatchEntry[]): Buffer {
  const chain = Buffer.from(chainId, 'hex')
  record.beginArray(entries.length)
  for (const [index, { event, digest }] of entries.entries()) {
    const start = record.beginElement(ROW_COLUMNS)
    record.int8(event.auditId)
    record.int8(BigInt(event.occurredAt) - POSTGRES_EPOCH_US, TIMESTAMPTZ)
    record.text(event.credential)
    record.text(event.operation)
    record.text(event.outcome)
    record.text(event.workerId)
    record.int8(event.executionId)
    record.int8(event.parentExecutionId)
    record.text(event.serverRegion)
    record.text(event.brokerRegion)
    record.text(event.kekVersion)
    record.text(event.notes)
    record.text(event.actorId)
    record.text(event.actorType)
    record.text(event.sourceAddress)
    record.text(event.serviceName)
    record.text(event.serviceInstanceId)
    record.text(event.traceId)
    record.text(event.spanId)
    record.text(event.attributesJson, JSON_TEXT)
    record.int8(event.originalAuditId)
    record.bytes(digest)
    record.bytes(chain, UUID)
    record.int8(blockNo)
    record.int4(index)
    record.endElement(start)
  }
  return record.take()
}

/** What `secret_audit_written` answers when the rows of such an array are stored as they were sent. */
export function rowsOfArray(array: Buffer): Buffer {
  return array.subarray(ARRAY_HEADER_BYTES)
}

/** How many columns of a block are sent. */
const BLOCK_COLUMNS = 14

/** The block's row as it was sent, in the order of `blockSelect`. */
export function blockAsSent(block: BlockColumns): Buffer {
  record.begin(BLOCK_COLUMNS)
  record.bytes(Buffer.from(block.chainId, 'hex'), UUID)
  record.int8(block.blockNo)
  record.text(block.log)
  record.text(block.kind)
  record.bytes(block.prevHash)
  record.int8(block.minId)
  record.int8(block.maxId)
  record.bytes(block.root)
  record.int4(block.rowCount)
  record.int8(block.rowTotal)
  record.int8(block.lostTotal)
  record.int8(block.blockTime)
  record.text(block.body)
  record.text(block.signatures)
  return record.take()
}

import { sha256 } from '../event/sha256.js'

/** First bytes of every entry, in every version, before the version itself. */
const FAMILY = 'otel-audit/spool/v'
const VERSION = '2'
/** Ends with a byte that neither a text nor a tag has: no event has an entry inside. */
const MAGIC = Buffer.from(`${FAMILY}${VERSION}\0`)
const LENGTH_BYTES = 4
const SHA256_BYTES = 32
const HEADER_BYTES = MAGIC.length + LENGTH_BYTES + SHA256_BYTES

/**
 * Entries as they are on disk: `"otel-audit/spool/v2\0" ‖ length (4 bytes, big endian) ‖ digest of the event ‖ the bytes that
 * the digest is of`. One can be found, and checked, without the engine that keeps it.
 *
 * @param events each as `encodeEvent` makes it
 */
export function sealRecords(events: readonly Uint8Array[]): Uint8Array[] {
  const memory = Buffer.allocUnsafeSlow(
    events.reduce((sum, { byteLength }) => sum + HEADER_BYTES + byteLength, 0),
  )
  let end = 0
  return events.map((event) => {
    const record = memory.subarray(end, end + HEADER_BYTES + event.byteLength)
    end += record.byteLength
    MAGIC.copy(record)
    record.writeUInt32BE(event.byteLength, MAGIC.length)
    sha256(event).copy(record, MAGIC.length + LENGTH_BYTES)
    record.set(event, HEADER_BYTES)
    return record
  })
}

/**
 * @returns the bytes of the event in an entry, which have its digest: a part of the same memory
 * @throws Error that says what is wrong with the bytes, and quotes nothing of them
 */
export function openRecord(bytes: Uint8Array): Uint8Array {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (record.length < HEADER_BYTES || !record.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new Error(unknownHeader(record))
  }
  const event = record.subarray(HEADER_BYTES)
  if (record.readUInt32BE(MAGIC.length) !== event.length)
    throw new Error('its length is not the one in its header')
  if (!record.subarray(MAGIC.length + LENGTH_BYTES, HEADER_BYTES).equals(sha256(event))) {
    throw new Error('its checksum does not match')
  }
  return event
}

const OTHER_VERSION = /^otel-audit\/spool\/v([1-9]\d{0,3})[\n\0]/

function unknownHeader(record: Buffer): string {
  const version = OTHER_VERSION.exec(record.toString('latin1', 0, FAMILY.length + 5))?.[1]
  return version === undefined || version === VERSION
    ? 'it does not start with the header of an entry'
    : `it is an entry of version ${version}, and this version of otel-audit reads version ${VERSION}`
}

/** Where, from `start` on, the next entry may begin in `bytes`. -1: nowhere. */
export function findRecord(bytes: Buffer, start: number): number {
  return bytes.indexOf(MAGIC, start)
}

/** The length that an entry has in its header. `undefined`: `bytes` ends within the header. */
export function recordLength(bytes: Buffer): number | undefined {
  return bytes.length < HEADER_BYTES ? undefined : HEADER_BYTES + bytes.readUInt32BE(MAGIC.length)
}

/** Longest entry that LMDB keeps inside a page of 4 KiB, beside others; a longer one takes pages of its own. */
const LONGEST_INSIDE_PAGE = 2000
const PAGE_BYTES = 4096
/** Key, node header, page header, and its share of the pages above. */
const NODE_BYTES = 32

/** What an event takes in the spool. @param eventBytes length of its encoding */
export function spooledBytes(eventBytes: number): number {
  const record = HEADER_BYTES + eventBytes + NODE_BYTES
  return record <= LONGEST_INSIDE_PAGE ? record : Math.ceil(record / PAGE_BYTES) * PAGE_BYTES
}

/** The same of an entry. @param recordBytes its length on disk */
export function spooledBytesOfRecord(recordBytes: number): number {
  return spooledBytes(recordBytes - HEADER_BYTES)
}

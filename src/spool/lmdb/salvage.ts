import { hash } from '../../host/crypto.js'
import { closeSync, openSync, readSync } from 'node:fs'
import { findRecord, openRecord, recordLength } from '../record.js'

const STEP_BYTES = 1024 * 1024
/** No event is as long as this. */
const LONGEST_RECORD = 1024 * 1024

/**
 * The intact entries in a file that the engine cannot read any more, each once. An entry lies in one piece in the file,
 * and says what it is, how long, and its checksum, so none of the engine's pages needs to be understood.
 *
 * Entries that were removed long ago are among them, as long as their pages were not used again: their events are
 * stored, and found to be when they are sent again.
 */
export function* intactRecords(path: string): Generator<Uint8Array> {
  const seen = new Set<string>()
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(STEP_BYTES + LONGEST_RECORD)
    for (let at = 0; ; at += STEP_BYTES) {
      const length = readSync(file, buffer, 0, buffer.length, at)
      if (length === 0) return
      yield* recordsIn(buffer.subarray(0, length), seen)
    }
  } finally {
    closeSync(file)
  }
}

/** Those that begin in the first {@link STEP_BYTES}. */
function* recordsIn(bytes: Buffer, seen: Set<string>): Generator<Uint8Array> {
  for (let at = findRecord(bytes, 0); at !== -1 && at < STEP_BYTES; at = findRecord(bytes, at + 1)) {
    const record = bytes.subarray(at, at + (recordLength(bytes.subarray(at)) ?? 0))
    try {
      const name = hash('sha256', openRecord(record), 'base64')
      if (seen.has(name)) continue
      seen.add(name)
      yield Uint8Array.from(record)
    } catch {
      // Not an entry, or a damaged one: the file is kept for a person to look at.
    }
  }
}

import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { AuditError } from '../errors.js'
import { Lines } from '../query/export/records.js'
import { readCloudTrail } from './cloudtrail.js'
import { JsonObjects } from './json-objects.js'
import type { LogEntry, ProviderLog } from './provider-access.js'
import { readVaultAudit } from './vault-audit.js'

const GZIP = Buffer.from([0x1f, 0x8b])

/** What is in a file besides its entries. */
export interface ReadFile {
  /** Lines or objects that are not entries of such a log, or were cut off. */
  readonly malformed: number
}

/**
 * Reads a provider's log, compressed by gzip or not, holding one entry at a time.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED` for a file that cannot be read to its end
 */
export async function* entriesOf(log: ProviderLog, path: string): AsyncGenerator<LogEntry, ReadFile, void> {
  const read = log === 'cloudtrail' ? readCloudTrail : readVaultAudit
  const pieces = log === 'cloudtrail' ? new JsonObjects() : new Lines()
  let malformed = 0
  const entries = function* (found: Iterable<Buffer>): Generator<LogEntry, void> {
    for (const piece of found) {
      const entry = isBlank(piece) ? undefined : read(piece)
      if (entry !== undefined) yield entry
      else if (!isBlank(piece)) malformed++
    }
  }
  try {
    for await (const chunk of bytesOf(path, await isGzip(path))) yield* entries(pieces.take(chunk))
    yield* entries(pieces.end())
  } catch (error) {
    throw unreadable(path, error)
  }
  return { malformed: malformed + (pieces instanceof JsonObjects ? pieces.malformed : 0) }
}

async function* bytesOf(path: string, isCompressed: boolean): AsyncGenerator<Buffer, void> {
  const file = createReadStream(path)
  try {
    if (!isCompressed) {
      yield* file as AsyncIterable<Buffer>
      return
    }
    const unzipped = createGunzip()
    file.once('error', (error) => unzipped.destroy(error)).pipe(unzipped)
    yield* unzipped as AsyncIterable<Buffer>
  } finally {
    file.destroy()
  }
}

/** By its first bytes: names are changed when files are fetched. */
async function isGzip(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0)
    return bytesRead === GZIP.length && buffer.equals(GZIP)
  } finally {
    await file.close()
  }
}

function isBlank(piece: Buffer): boolean {
  return piece.length < 3 && piece.toString().trim() === ''
}

function unreadable(path: string, error: unknown): unknown {
  const code = (error as { code?: unknown }).code
  if (error instanceof AuditError || typeof code !== 'string') return error
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', `${path} cannot be read to its end (${code})`, {
    remedy: 'Name an existing file that this user may read, and that was copied as a whole.',
  })
}

import { JSON } from '../../host/globals.js'
import { decodeEvent } from '../../event/decode.js'
import { errorText } from '../../host/error-text.js'
import { loadLmdb, readEnvironment, tryToWrite } from '../lmdb/databases.js'
import type { Inspection, InspectionMode, QuarantinedEntry } from './inspect.js'
import { openRecord, spooledBytesOfRecord } from '../record.js'

/** Most quarantined entries that are listed one by one. */
const LISTED = 1000

/** A process of its own: `node inspect-process.js <environment> read|write`. Prints an {@link Inspection} as JSON. */
const [path = '', mode = 'read'] = process.argv.slice(2)
inspect(path, mode as InspectionMode).then(
  (inspection) => process.stdout.write(JSON.stringify(inspection)),
  (error: unknown) => {
    process.stderr.write(errorText(error))
    process.exitCode = 1
  },
)

async function inspect(path: string, mode: InspectionMode): Promise<Inspection> {
  const lmdb = loadLmdb()
  const found = await readEnvironment(lmdb, path, ({ live, quarantine }): Inspection => {
    let entries = 0
    let bytes = 0
    let oldest: number | null = null
    for (const record of live) {
      if (entries++ === 0) oldest = occurredAt(record)
      bytes += spooledBytesOfRecord(record.byteLength)
    }
    let quarantined = 0
    const listed: QuarantinedEntry[] = []
    for (const { reason, record } of quarantine) {
      if (quarantined++ < LISTED) listed.push({ reason, ...namedFields(record) })
      bytes += spooledBytesOfRecord(record.byteLength)
    }
    return { entries, bytes, oldest, quarantined, listed }
  })
  if (mode === 'write') await tryToWrite(lmdb, path)
  return found
}

function occurredAt(record: Uint8Array): number | null {
  try {
    return eventOf(record).occurredAt
  } catch {
    return null
  }
}

/** The fields of an event that an error may name; none when it cannot be read. */
function namedFields(record: Uint8Array): Partial<QuarantinedEntry> {
  try {
    const { auditId, credential, operation, outcome } = eventOf(record)
    return { auditId: String(auditId), credential, operation, outcome }
  } catch {
    return {}
  }
}

function eventOf(record: Uint8Array) {
  return decodeEvent(openRecord(record))
}
